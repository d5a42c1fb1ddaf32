//! `POST /api/runs/{runId}/cancel`: cancels a run.

use api::{ApiError, ApiRequest, ApiResponse, BodyFields, Endpoint, named, view};
use domain::access::Scope;
use engine::{Engine, Ports};

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "cancel-run", method: "POST", path: "/api/runs/{runId}/cancel", scope: Some(Scope::RunsWrite), query: &[] };

/// Returns 200 with the run; no further node starts. A run that is cancelled already stays as it is. Fails with 409 if the run ended in
/// another way.
pub async fn handle(engine: &Engine<impl Ports>, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let run = request.run_id()?;
    let mut body = BodyFields::of(&request)?;
    let reason = body.text("reason");
    body.finish()?;
    let run = engine.cancel(&request.caller.org, &run, &request.caller.actor, reason).await?;
    Ok(ApiResponse::ok(named("run", view::run(&run))))
}
