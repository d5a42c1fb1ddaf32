//! `GET /api/flows/{id}`: a flow with its newest spec.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, named, view};
use domain::access::Scope;
use domain::ports::{Clock, Flows, Vault, WebhookTriggers};
use engine::FlowEditor;

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "get-flow", method: "GET", path: "/api/flows/{id}", scope: Some(Scope::FlowsRead), query: &[] };

/// Returns 200 with the flow; `{id}` is an id or a slug. If it has a webhook trigger, a caller with `flows:write` also gets its
/// `webhookSecret`: whoever has it can start runs that nobody seems to have started.
pub async fn handle(
    editor: &FlowEditor<impl Flows, impl WebhookTriggers, impl Vault, impl Clock>,
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let shows_secret = request.caller.allows(Scope::FlowsWrite);
    let found = editor.read(&request.caller.org, &request.flow_name()?, shows_secret).await?;
    Ok(ApiResponse::ok(named("flow", view::flow_with_spec(&found.flow, &found.version, found.secret.as_ref()))))
}
