//! `POST /api/flows`: saves a new flow with its first version.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, view};
use domain::access::Scope;
use domain::flow::{Draft, MAX_BODY_BYTES};
use domain::ports::{Clock, Entropy, Flows, Vault, WebhookTriggers};
use engine::FlowEditor;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint { name: "create-flow", method: "POST", path: "/api/flows", scope: Scope::FlowsWrite, query: &[] };

/// Returns 201 with the flow, and with its `webhookSecret` if `triggerType` is `webhook`. Fails with 400 and every problem at its path, and
/// with 409 if the slug is taken.
pub async fn handle(
    editor: &FlowEditor<impl Flows, impl WebhookTriggers, impl Vault, impl Clock>,
    entropy: &impl Entropy,
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let draft = Draft::parse_new(&request.json_object(MAX_BODY_BYTES)?)?;
    let warnings = draft.warnings().clone();
    let created = editor.create(entropy, request.key.org, draft).await?;
    let flow = view::flow_with_spec(&created.flow, &created.version, created.secret.as_ref());
    Ok(ApiResponse::created(view::saved_flow(flow, &warnings)))
}
