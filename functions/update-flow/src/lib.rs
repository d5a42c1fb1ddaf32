//! `PATCH /api/flows/{id}`: changes the fields that are sent. A changed spec is a new version.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, view};
use domain::access::Scope;
use domain::flow::{Draft, KnownModels, MAX_BODY_BYTES};
use domain::ports::{ApiKeys, Clock, ConnectionBook, Entropy, Flows, Vault, WebhookTriggers};
use engine::FlowEditor;

/// This endpoint. PUT does the same, for clients that cannot PATCH.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "update-flow", method: "PATCH", path: "/api/flows/{id}", scope: Some(Scope::FlowsWrite), query: &["dryRun"] };

/// Returns 200 with the flow as it is now, and with its `webhookSecret` if it has just become a webhook trigger. Active runs stay on the
/// version that they began with. Fails with 409 if another caller changes the flow at the same time.
pub async fn handle(
    editor: &FlowEditor<impl Flows + ConnectionBook + ApiKeys, impl WebhookTriggers, impl Vault, impl Clock>,
    models: &KnownModels,
    entropy: &impl Entropy,
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let draft = Draft::parse_changes(&request.json_object(MAX_BODY_BYTES)?, models)?;
    let name = request.flow_name()?;
    if request.is_dry_run()? {
        let checked = editor.check_update(entropy, &request.key.org, &name, draft).await?;
        return Ok(ApiResponse::dry_run(view::saved_flow(&view::checked_flow(&checked.flow, &checked.version), &checked.warnings)));
    }
    let updated = editor.update(entropy, &request.key.org, &name, &draft).await?;
    let flow = view::flow_with_spec(&updated.flow, &updated.version, updated.secret.as_ref());
    Ok(ApiResponse::ok(view::saved_flow(&flow, &updated.warnings)))
}
