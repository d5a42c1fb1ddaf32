//! `GET /api/runs/{runId}/steps/{nodeId}/output`: the output of one step, or another part of it.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, view};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::ports::{Clock, Flows, Runs, spec_for};
use domain::problem::FieldErrors;

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "get-step-output", method: "GET", path: "/api/runs/{runId}/steps/{nodeId}/output", scope: Scope::RunsRead };

/// 200 with `{"output": …}`, or `{"outputRef": …}` if it lies in object storage; with `?of=input` and the like the same for another
/// part of the step. 404 for an unknown run or node, and for a step that does not have the part (yet).
pub async fn handle(runs: &impl Runs, flows: &impl Flows, clock: &impl Clock, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let part = match request.query("of") {
        None => "output",
        Some(name) => view::PARTS_OF_STEPS.into_iter().find(|part| *part == name).ok_or_else(|| {
            let parts = view::PARTS_OF_STEPS.join(", ");
            FieldErrors::one("of", format!("must be one of: {parts}"))
        })?,
    };
    let run = runs.load(&request.run_id()?).await?.filter(|run| run.org == request.key.org).ok_or(ApplicationError::NotFound("run"))?;
    let node = request.node_id()?;
    let spec = spec_for(flows, &run).await?;
    let ix = spec.position(&node).ok_or(ApplicationError::NotFound("step"))?;
    let now = clock.now();
    if let Some(found) = view::part_of_step(runs, now, &run, &spec, ix, part).await? {
        return Ok(ApiResponse::ok(found));
    }
    let purged = runs.step(&run, &node, now).await?.and_then(|record| record.purged);
    let why = match purged.filter(|_| ["output", "input"].contains(&part)) {
        Some(purged) => format!("the {part} of step `{node}` was purged at {}", purged.at),
        None => format!("step `{node}` is {} and has no {part}", run.progress.get(ix).status),
    };
    Err(ApplicationError::Absent(why).into())
}
