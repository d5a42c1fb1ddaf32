//! `POST /api/flows/{id}/rotate-webhook-secret`: makes a new secret for the webhook trigger of a flow.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, named, view};
use domain::access::Scope;
use domain::ports::{Clock, Entropy, Flows, Vault, WebhookTriggers};
use engine::FlowEditor;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint {
    name: "rotate-trigger-secret",
    method: "POST",
    path: "/api/flows/{id}/rotate-webhook-secret",
    scope: Some(Scope::FlowsWrite),
    query: &[],
};

/// Returns 200 with the flow and its new `webhookSecret`. The previous secret stays valid for 24 hours; the one before it does not. Fails
/// with 422 if the flow has no webhook trigger, and with 409 if another call rotates the secret at the same time.
pub async fn handle(
    editor: &FlowEditor<impl Flows, impl WebhookTriggers, impl Vault, impl Clock>,
    entropy: &impl Entropy,
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let rotated = editor.rotate_secret(entropy, &request.caller.org, &request.caller.actor, &request.flow_name()?).await?;
    Ok(ApiResponse::ok(named("flow", view::flow_with_spec(&rotated.flow, &rotated.version, rotated.secret.as_ref()))))
}
