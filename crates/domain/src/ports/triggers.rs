//! What starts runs from outside: inbound webhooks and schedules.

use std::future::Future;

use serde_json::Value;

use crate::error::{CommitError, PortError};
use crate::flow::Flow;
use crate::id::{FlowId, OrgId};
use crate::run::Run;
use crate::time::Time;
use crate::trigger::{WebhookToken, WebhookTrigger};

/// The inbound webhooks of flows, found by the hash of their token.
pub trait WebhookTriggers {
    /// Returns what is stored under a token.
    fn webhook(&self, token: &WebhookToken) -> impl Future<Output = Result<Option<WebhookTrigger>, PortError>>;
    /// Writes a webhook under a token, if what is stored is `before` (none: nothing). `Err(Changed)`: it is not.
    fn put_webhook(
        &self,
        token: &WebhookToken,
        webhook: &WebhookTrigger,
        before: Option<&WebhookTrigger>,
    ) -> impl Future<Output = Result<(), CommitError>>;
    /// Invalidates a token for good and deletes its secrets. A token that does not exist is not an error.
    fn delete_webhook(&self, token: &WebhookToken, now: Time) -> impl Future<Output = Result<(), PortError>>;
}

/// Flows that a schedule starts.
pub trait CronFlows {
    /// Returns at most `most` flows that are due by `now`, the longest due first. A flow whose run was created a moment ago may still be
    /// among them.
    fn due_flows(&self, now: Time, most: usize) -> impl Future<Output = Result<Vec<(OrgId, FlowId)>, PortError>>;
    /// Creates a run that was due, with its small input, and moves the schedule of its flow on to that of `after`: both or none, and
    /// only if the stored flow is still `before`. `Err(Changed)`: it is not, and another invocation may have started the run.
    fn create_due(&self, run: &Run, input: &Value, before: &Flow, after: &Flow) -> impl Future<Output = Result<(), CommitError>>;
}
