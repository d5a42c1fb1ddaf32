//! `GET /api/approvals/{approvalId}`: one approval, open or decided, with everything that counts for the decision.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, named, view};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::ports::{Clock, Flows, Runs, find_approval};
use view::{ShownApproval, Viewer};

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "get-approval", method: "GET", path: "/api/approvals/{approvalId}", scope: Some(Scope::RunsRead), query: &[] };

/// Returns 200 with the approval: what is asked, the rules, the votes, what it lets happen, `shownSha256`, whether the caller can decide it
/// now, and its decision if there is one. Large actions are references. Fails with 404 for an approval of another organisation.
pub async fn handle(runs: &impl Runs, flows: &impl Flows, clock: &impl Clock, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let found = find_approval(runs, flows, &request.caller.org, &request.approval_id()?).await?;
    let found = found.ok_or(ApplicationError::NotFound("approval"))?;
    let shown = ShownApproval { gate: &found.gate, version: &found.version, spec: &found.spec, barred: &found.barred() };
    let approval = view::approval(runs, clock.now(), Viewer::of(&request), &found.run, shown).await?;
    Ok(ApiResponse::ok(named("approval", approval)))
}
