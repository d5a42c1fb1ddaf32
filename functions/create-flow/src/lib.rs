//! `POST /api/flows`: saves a new flow with its first version.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, view};
use domain::access::Scope;
use domain::flow::{Draft, KnownModels, MAX_BODY_BYTES};
use domain::ports::{ApiKeys, Clock, ConnectionBook, Entropy, Flows, Vault, WebhookTriggers};
use engine::FlowEditor;

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "create-flow", method: "POST", path: "/api/flows", scope: Some(Scope::FlowsWrite), query: &["dryRun"] };

/// Returns 201 with the flow, and with its `webhookSecret` if `triggerType` is `webhook`; or 200 with the flow as it would be saved, for a
/// dry run. Fails with 400 and every problem at its path, and
/// with 409 if the slug is taken.
pub async fn handle(
    editor: &FlowEditor<impl Flows + ConnectionBook + ApiKeys, impl WebhookTriggers, impl Vault, impl Clock>,
    models: &KnownModels,
    entropy: &impl Entropy,
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let draft = Draft::parse_new(&request.json_object(MAX_BODY_BYTES)?, models)?;
    if request.is_dry_run()? {
        let checked = editor.check_create(entropy, request.key.org, draft).await?;
        return Ok(ApiResponse::dry_run(view::saved_flow(&view::checked_flow(&checked.flow, &checked.version), &checked.warnings)));
    }
    let created = editor.create(entropy, request.key.org, draft).await?;
    let flow = view::flow_with_spec(&created.flow, &created.version, created.secret.as_ref());
    Ok(ApiResponse::created(view::saved_flow(&flow, &created.warnings)))
}
