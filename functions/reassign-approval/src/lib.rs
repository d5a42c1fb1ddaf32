//! `POST /api/runs/{runId}/reassign`: assigns an open approval to another user, role or team.

use api::view::{self, ShownApproval, Viewer};
use api::{ApiError, ApiRequest, ApiResponse, BodyFields, Endpoint, named};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::ports::{Clock, find_approval};
use engine::{Engine, Ports, Reassign};

/// This endpoint. `flows:write` is enough too.
pub const ENDPOINT: Endpoint = Endpoint {
    name: "reassign-approval",
    method: "POST",
    path: "/api/runs/{runId}/reassign",
    scope: Some(Scope::ApprovalsDecide),
    query: &[],
};

/// Returns 200 with the approval. Whoever may decide an approval may reassign it, and so may a caller with `flows:write`. Votes and deadline
/// stay. To assign it to whom it is assigned to already changes nothing.
pub async fn handle(engine: &Engine<impl Ports>, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let run = request.run_id()?;
    let mut body = BodyFields::of(&request)?;
    let (node, note) = (body.node("nodeId"), body.text("note"));
    let (approval, to) = (body.required("approvalId"), body.required("to"));
    let (Some(approval), Some(to)) = (approval, to) else { return Err(body.into_error()) };
    body.finish()?;
    let reassign = Reassign { approval, node, to, note, may_always: request.caller.allows(Scope::FlowsWrite) };
    engine.reassign(&request.caller.org, &run, &request.caller.actor, &reassign).await?;
    let found = find_approval(&engine.runs, &engine.flows, &request.caller.org, &approval).await?;
    let found = found.ok_or(ApplicationError::NotFound("approval"))?;
    let shown = ShownApproval { gate: &found.gate, version: &found.version, spec: &found.spec, barred: &found.barred() };
    let view = view::approval(&engine.runs, engine.clock.now(), Viewer::of(&request), &found.run, shown).await?;
    Ok(ApiResponse::ok(named("approval", view)))
}
