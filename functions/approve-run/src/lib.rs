//! `POST /api/runs/{runId}/approve`: a person signs the proposed action off, as it is or edited.

use api::{ApiError, Body, Call, Endpoint, Reply, view};
use domain::access::Scope;
use domain::gate::{Action, Ballot, MAX_ACTION_BYTES};
use domain::ports::Clock;
use engine::{Engine, Ports};

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint { name: "approve-run", method: "POST", path: "/api/runs/{runId}/approve", scope: Scope::RunsWrite };

/// What an override may take in a body: written out of ASCII alone, as some clients do, it may be three times as long.
const OVERRIDE_ROOM: usize = 3 * MAX_ACTION_BYTES;

/// 200 with the run and the recorded decision. Exactly one decision wins: 409 for every other one, 200 for the same again.
pub async fn handle(engine: &Engine<impl Ports>, call: Call) -> Result<Reply, ApiError> {
    let run = call.run_id()?;
    let mut body = Body::with_room(&call, OVERRIDE_ROOM)?;
    let action = body.value("proposedActionOverride").map(Action::new).transpose();
    let action = action.map_err(|_| ApiError::TooLarge("override", MAX_ACTION_BYTES))?;
    let (node, note) = (body.node("nodeId"), body.text("note"));
    body.finish()?;
    let decided = engine.decide(&call.key.org, &run, node.as_ref(), &call.key.actor, Ballot::Approve { action, note }).await?;
    Ok(Reply::ok(view::decided(&engine.runs, engine.clock.now(), &decided.run, &decided.gate).await?))
}
