//! `DELETE /api/runs/{runId}/outputs`: purges the inputs and outputs of the steps of a run.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, view};
use domain::access::Scope;
use domain::ports::{Clock, Outputs, Runs};
use engine::OutputPurge;

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "purge-run-outputs", method: "DELETE", path: "/api/runs/{runId}/outputs", scope: Some(Scope::RunsWrite), query: &[] };

/// Returns 200 with the receipt: `runId`, `purgedAt`, the `steps` with what each had, and the number of `objects` and `bytes`. The same
/// call again returns the same receipt. The run, its input and its decisions stay. Fails with 409 while the run is active.
pub async fn handle(purge: &OutputPurge<impl Runs + Outputs, impl Clock>, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let purge = purge.purge(&request.caller.org, &request.run_id()?, &request.caller.actor).await?;
    Ok(ApiResponse::ok(view::purge(&purge)))
}
