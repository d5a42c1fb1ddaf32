//! `POST /api/runs/{runId}/reject`: a person refuses the proposed action; the flow's `onReject` decides what follows.

use api::{ApiError, Body, Call, Endpoint, Reply, view};
use domain::access::Scope;
use domain::gate::Ballot;
use domain::ports::Clock;
use engine::{Engine, Ports};

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint { name: "reject-run", method: "POST", path: "/api/runs/{runId}/reject", scope: Scope::RunsWrite };

/// 200 with the run and the recorded decision. Exactly one decision wins: 409 for every other one, 200 for the same again.
pub async fn handle(engine: &Engine<impl Ports>, call: Call) -> Result<Reply, ApiError> {
    let run = call.run_id()?;
    let mut body = Body::of(&call)?;
    let (node, note) = (body.node("nodeId"), body.text("note"));
    body.finish()?;
    let decided = engine.decide(&call.key.org, &run, node.as_ref(), &call.key.actor, Ballot::Reject { note }).await?;
    Ok(Reply::ok(view::decided(&engine.runs, engine.clock.now(), &decided.run, &decided.gate).await?))
}
