//! `POST /api/flows/{id}/rotate-webhook-secret`: makes a new secret for the webhook trigger of a flow.

use api::{ApiError, Call, Endpoint, Reply, under, view};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::ports::{Clock, Entropy, Flows, PortError, Vault, WebhookTriggers};
use engine::WebhookKeeper;

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "rotate-trigger-secret", method: "POST", path: "/api/flows/{id}/rotate-webhook-secret", scope: Scope::FlowsWrite };

/// Answers 200 with the flow and its new `webhookSecret`. The previous secret stays valid for 24 hours; the one before it does not. Fails
/// with 422 if the flow has no webhook trigger, and with 409 if another call rotates the secret at the same time.
pub async fn handle(
    flows: &impl Flows,
    keeper: &WebhookKeeper<impl WebhookTriggers, impl Vault, impl Clock>,
    entropy: &impl Entropy,
    call: Call,
) -> Result<Reply, ApiError> {
    let flow = flows.flow(&call.key.org, &call.flow_name()?).await?.ok_or(ApplicationError::NotFound("flow"))?;
    let version = flows.version(&flow.org, &flow.id, flow.version).await?;
    let version = version.ok_or_else(|| PortError::Corrupt(format!("{} has no version {}", flow.id, flow.version)))?;
    let secret = keeper.rotate(entropy, &flow).await?;
    Ok(Reply::ok(under("flow", view::flow_with_spec(&flow, &version, Some(&secret)))))
}
