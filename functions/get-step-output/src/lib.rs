//! `GET /api/runs/{runId}/steps/{nodeId}/output`: the output of one step, or another part of it.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, view};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::flow::NodeId;
use domain::ports::{Clock, Flows, Runs, spec_for};
use domain::problem::FieldErrors;
use domain::run::NodeStatus;
use domain::step::StepKey;
use domain::time::Time;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint {
    name: "get-step-output",
    method: "GET",
    path: "/api/runs/{runId}/steps/{nodeId}/output",
    scope: Some(Scope::RunsRead),
    query: &["of", "round"],
};

/// Returns 200 with `{"output": …}`, or with `{"outputRef": …}` if it is in object storage. `?of=input` and the like return another part
/// of the step in the same way, and `?round=1` the step of an earlier round. Fails with 404 for an unknown run or node, and for a step that does not have the part (yet).
pub async fn handle(runs: &impl Runs, flows: &impl Flows, clock: &impl Clock, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let (part, round) = (part(&request)?, round(&request)?);
    let run = runs.load(&request.run_id()?).await?.filter(|run| run.org == request.caller.org).ok_or(ApplicationError::NotFound("run"))?;
    let node = request.node_id()?;
    let spec = spec_for(flows, &run).await?;
    let ix = spec.position(&node).ok_or(ApplicationError::NotFound("step"))?;
    let now = clock.now();
    if let Some(found) = view::part_of_step(runs, now, &run, &spec, ix, round, part).await? {
        return Ok(ApiResponse::ok(found));
    }
    let key = round.map_or_else(|| run.step_key(&node), |round| StepKey::new(&node, round));
    let purged = runs.step_in_round(&run, &key, now).await?.and_then(|record| record.purged).map(|purged| purged.at);
    if key != run.step_key(&node) && purged.is_none() {
        return Err(ApplicationError::Absent(format!("step `{node}` has no {part} in round {}", key.round)).into());
    }
    Err(ApplicationError::Absent(reason(part, &node, run.progress.get(ix).status, purged)).into())
}

/// Returns the part of the step that the query names; without `of` it is the output.
fn part(request: &ApiRequest) -> Result<&'static str, FieldErrors> {
    let Some(name) = request.query("of") else { return Ok("output") };
    let part = view::PARTS_OF_STEPS.into_iter().find(|part| *part == name);
    part.ok_or_else(|| FieldErrors::one("of", format!("must be one of: {}", view::PARTS_OF_STEPS.join(", "))))
}

/// Returns the round that the query names; none means the one that the node is in.
fn round(request: &ApiRequest) -> Result<Option<u32>, FieldErrors> {
    let Some(text) = request.query("round") else { return Ok(None) };
    let round = text.parse().ok().filter(|round| *round >= 1);
    round.map(Some).ok_or_else(|| FieldErrors::one("round", "must be a whole number from 1"))
}

/// Returns why a step does not have a part.
fn reason(part: &str, node: &NodeId, status: NodeStatus, purged_at: Option<Time>) -> String {
    match purged_at.filter(|_| ["output", "input"].contains(&part)) {
        Some(at) => format!("the {part} of step `{node}` was purged at {at}"),
        None => format!("step `{node}` is {status} and has no {part}"),
    }
}
