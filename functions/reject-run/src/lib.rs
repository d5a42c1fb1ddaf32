//! `POST /api/runs/{runId}/reject`: rejects the proposed action of a gate. The flow's `onReject` decides what happens then.

use api::{ApiError, ApiRequest, ApiResponse, BodyFields, Endpoint, view};
use domain::access::Scope;
use domain::gate::Ballot;
use domain::ports::Clock;
use engine::{Engine, Ports};

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "reject-run", method: "POST", path: "/api/runs/{runId}/reject", scope: Some(Scope::RunsWrite), query: &[] };

/// Returns 200 with the run and the recorded decision. Exactly one decision wins: any other one fails with 409, and so does one that is
/// bound to something else than what the approval shows, or that may mean several approvals. The same decision again by the same actor
/// returns 200.
pub async fn handle(engine: &Engine<impl Ports>, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let run = request.run_id()?;
    let mut body = BodyFields::of(&request)?;
    let (target, note) = (body.decision_target(), body.text("note"));
    body.finish()?;
    let decided = engine.decide(&request.caller.org, &run, &target, &request.caller.actor, Ballot::Reject { note }).await?;
    Ok(ApiResponse::ok(view::decided(&engine.runs, engine.clock.now(), &decided.run, &decided.gate, &decided.destinations).await?))
}
