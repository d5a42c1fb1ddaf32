//! `DELETE /api/runs/{runId}/outputs`: purges what the steps of a run sent and got back.

use api::{ApiError, Call, Endpoint, Reply, view};
use domain::access::Scope;
use domain::ports::{Clock, Executions, Flows, Outputs, Runs};
use engine::Engine;

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "purge-run-outputs", method: "DELETE", path: "/api/runs/{runId}/outputs", scope: Scope::RunsWrite };

/// 200 with the receipt: `runId`, `purgedAt`, the `steps` with what each had, how many `objects` and `bytes` that was. Doing it
/// again gives the same receipt. The run, its input and its decisions stay. 409 while the run is active.
pub async fn handle<R: Runs + Outputs, F: Flows, S: Executions, C: Clock>(
    engine: &Engine<R, F, S, C>,
    call: Call,
) -> Result<Reply, ApiError> {
    let purge = engine.purge(&call.key.org, &call.run_id()?, &call.key.actor.id).await?;
    Ok(Reply::ok(view::purge(&purge)))
}
