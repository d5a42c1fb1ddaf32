//! `POST /api/runs/{runId}/cancel`: calls a run off.

use api::{ApiError, Body, Call, Endpoint, Reply, under, view};
use domain::access::Scope;
use engine::{Engine, Ports};

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint { name: "cancel-run", method: "POST", path: "/api/runs/{runId}/cancel", scope: Scope::RunsWrite };

/// 200 with the run: no further node starts. Cancelling a cancelled run is no error; one that ended otherwise is 409.
pub async fn handle(engine: &Engine<impl Ports>, call: Call) -> Result<Reply, ApiError> {
    let run = call.run_id()?;
    let mut body = Body::of(&call)?;
    let reason = body.text("reason");
    body.finish()?;
    let run = engine.cancel(&call.key.org, &run, &call.key.actor.id, reason).await?;
    Ok(Reply::ok(under("run", view::run(&run))))
}
