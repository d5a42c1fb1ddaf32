//! `DELETE /api/runs/{runId}/outputs`: purges what the steps of a run sent and got back.

use api::{ApiError, Call, Endpoint, Reply, view};
use domain::access::Scope;
use domain::ports::{Clock, Outputs, Runs};
use engine::OutputPurge;

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "purge-run-outputs", method: "DELETE", path: "/api/runs/{runId}/outputs", scope: Scope::RunsWrite };

/// 200 with the receipt: `runId`, `purgedAt`, the `steps` with what each had, how many `objects` and `bytes` that was. Doing it
/// again gives the same receipt. The run, its input and its decisions stay. 409 while the run is active.
pub async fn handle(purge: &OutputPurge<impl Runs + Outputs, impl Clock>, call: Call) -> Result<Reply, ApiError> {
    let purge = purge.purge(&call.key.org, &call.run_id()?, &call.key.actor.id).await?;
    Ok(Reply::ok(view::purge(&purge)))
}
