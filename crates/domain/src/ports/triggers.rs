//! What starts runs from outside: webhooks, and the clock.

use std::future::Future;

use serde_json::Value;

use super::{CommitError, PortError};
use crate::flow::Flow;
use crate::id::{FlowId, OrgId};
use crate::run::Run;
use crate::time::Time;
use crate::trigger::{WebhookToken, WebhookTrigger};

/// Webhooks of flows, found by the hash of their token.
pub trait WebhookTriggers {
    /// What is kept under a token.
    fn webhook(&self, token: &WebhookToken) -> impl Future<Output = Result<Option<WebhookTrigger>, PortError>>;
    /// Keeps a webhook under a token, if what is there is as `before` (none: nothing). `Err(Changed)`: it is not.
    fn put_webhook(
        &self,
        token: &WebhookToken,
        webhook: &WebhookTrigger,
        before: Option<&WebhookTrigger>,
    ) -> impl Future<Output = Result<(), CommitError>>;
    /// Takes a token out of use for good, and its secrets out of the store. One that is not there is no error.
    fn delete_webhook(&self, token: &WebhookToken, now: Time) -> impl Future<Output = Result<(), PortError>>;
}

/// Flows that the clock starts.
pub trait CronFlows {
    /// Flows that are due by `now`, those first that have been due longest, and at most `most`. One whose run was created a moment ago
    /// may be among them still.
    fn due_flows(&self, now: Time, most: usize) -> impl Future<Output = Result<Vec<(OrgId, FlowId)>, PortError>>;
    /// Creates a run that was due, with its small input, and moves the schedule of its flow on to that of `after`: both or none, and
    /// only if the flow is still as `before`. `Err(Changed)`: it is not, and the due time may be somebody else's.
    fn create_due(&self, run: &Run, input: &Value, before: &Flow, after: &Flow) -> impl Future<Output = Result<(), CommitError>>;
}
