//! Sends webhooks through the egress guard.

use std::time::Duration;

use domain::id::OrgId;
use domain::network::PrivateNetworks;
use domain::ports::WebhookSender;
use domain::webhook::{AttemptResult, MAX_ANSWER_BYTES};
use nodes::{Outbound, OutboundError, OutboundRequest, OutboundResponse};

/// The time that an endpoint has for everything. One that needs longer should store the event, answer, and process it afterwards.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends webhooks through the outbound client.
#[derive(Debug)]
pub struct GuardedWebhookSender<N> {
    /// The client.
    pub outbound: Outbound,
    /// The private networks that are open to an organisation.
    pub networks: N,
}

impl<N: PrivateNetworks> WebhookSender for GuardedWebhookSender<N> {
    async fn post(&self, org: &OrgId, url: &str, headers: &[(&'static str, String)], body: &str) -> AttemptResult {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (timeout, max_reply_bytes) = (TIMEOUT, MAX_ANSWER_BYTES);
        let message = OutboundRequest { org, method: "POST", url, headers: &headers, body: body.as_bytes(), timeout, max_reply_bytes };
        match self.outbound.send(&self.networks, message).await {
            Ok(OutboundResponse { status, body, retry_after_seconds, .. }) => AttemptResult::Answered { status, body, retry_after_seconds },
            Err(OutboundError { message, .. }) => AttemptResult::Failed(message),
        }
    }
}
