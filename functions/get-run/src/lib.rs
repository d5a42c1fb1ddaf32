//! `GET /api/runs/{runId}`: a run with its steps, and the flow as it was.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, view};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::ports::{Clock, Flows, Runs, version_for};

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "get-run", method: "GET", path: "/api/runs/{runId}", scope: Some(Scope::RunsRead), query: &[] };

/// Returns 200 with the flow and the run. Fails with 404 for a run of another organisation.
pub async fn handle(runs: &impl Runs, flows: &impl Flows, clock: &impl Clock, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let run = runs.load(&request.run_id()?).await?.filter(|run| run.org == request.caller.org).ok_or(ApplicationError::NotFound("run"))?;
    let (version, spec) = version_for(flows, &run).await?;
    Ok(ApiResponse::ok(view::run_with_steps(runs, clock.now(), &run, &version, &spec).await?))
}
