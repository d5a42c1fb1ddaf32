//! `POST /api/runs/{runId}/approve`: approves the proposed action of a gate, unchanged or edited.

use api::{ApiError, ApiRequest, ApiResponse, BodyFields, Endpoint, view};
use domain::access::Scope;
use domain::gate::{Action, Ballot, MAX_ACTION_BYTES};
use domain::ports::Clock;
use engine::{Engine, Ports};

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "approve-run", method: "POST", path: "/api/runs/{runId}/approve", scope: Scope::RunsWrite, query: &[] };

/// The room for an override in a body, in bytes. Clients that escape every character outside ASCII send up to three times as much.
const OVERRIDE_ROOM: usize = 3 * MAX_ACTION_BYTES;

/// Returns 200 with the run and the recorded decision. Exactly one decision wins: any other one fails with 409, and the same decision
/// again by the same actor returns 200.
pub async fn handle(engine: &Engine<impl Ports>, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let run = request.run_id()?;
    let mut body = BodyFields::with_room(&request, OVERRIDE_ROOM)?;
    let action = body.value("proposedActionOverride").map(Action::new).transpose();
    let action = action.map_err(|_| ApiError::TooLarge("override", MAX_ACTION_BYTES))?;
    let (node, note) = (body.node("nodeId"), body.text("note"));
    body.finish()?;
    let decided = engine.decide(&request.key.org, &run, node.as_ref(), &request.key.actor, Ballot::Approve { action, note }).await?;
    Ok(ApiResponse::ok(view::decided(&engine.runs, engine.clock.now(), &decided.run, &decided.gate).await?))
}
