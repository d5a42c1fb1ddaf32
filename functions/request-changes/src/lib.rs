//! `POST /api/runs/{runId}/request-changes`: sends the run back to the draft of an approval, with a note for the model.

use api::{ApiError, ApiRequest, ApiResponse, BodyFields, Endpoint, view};
use domain::access::Scope;
use engine::{Engine, Ports};

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint {
    name: "request-changes",
    method: "POST",
    path: "/api/runs/{runId}/request-changes",
    scope: Some(Scope::ApprovalsDecide),
    query: &[],
};

/// Returns 200 with the run, the approval whose round has ended, and the record of the request. The same request again by the same actor
/// returns 200. Fails with 409 if the approval is closed, if the flow has no `revise` for it, or if its rounds are exhausted.
pub async fn handle(engine: &Engine<impl Ports>, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let run = request.run_id()?;
    let mut body = BodyFields::of(&request)?;
    let (target, note) = (body.decision_target(), body.required_text("note"));
    body.finish()?;
    let requested = engine.request_changes(&request.caller.org, &run, &target, &request.caller.actor, &note).await?;
    Ok(ApiResponse::ok(view::changes_requested(&requested.run, &requested.gate)))
}
