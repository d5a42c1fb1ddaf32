//! `GET /api/approvals`: the open gates of the organisation, oldest first: the inbox of a reviewer.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, Paging, view};
use domain::access::{Actor, Assignee, Scope};
use domain::error::ApplicationError;
use domain::gate::Gate;
use domain::id::FlowId;
use domain::ports::{Clock, Flows, Organisations, Page, RunLists, Runs};
use domain::problem::FieldErrors;
use serde_json::Value;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint {
    name: "list-approvals",
    method: "GET",
    path: "/api/approvals",
    scope: Some(Scope::RunsRead),
    query: &["assignee", "flow", "limit", "page", "cursor"],
};

/// A filter on the assignees of gates.
enum AssigneeFilter {
    /// The gates that the caller may decide.
    Mine,
    /// The gates with this assignee.
    AssignedTo(Assignee),
}

impl AssigneeFilter {
    fn includes(&self, gate: &Gate, actor: &Actor) -> bool {
        match self {
            Self::Mine => gate.assign_to.as_ref().is_none_or(|assignee| assignee.includes(actor)),
            Self::AssignedTo(assignee) => gate.assign_to.as_ref() == Some(assignee),
        }
    }
}

/// Returns 200 with a page of approvals, filtered by `assignee` and `flow`. Large actions are references.
pub async fn handle(
    runs: &impl Runs,
    store: &(impl Flows + Organisations + RunLists),
    clock: &impl Clock,
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let mut errors = FieldErrors::new();
    let assignee = assignee_filter(&request, &mut errors);
    let flow = flow_filter(store, &request, &mut errors).await?;
    let paging = Paging::of(&request, &list_name(flow, &request), store, &mut errors).await?;
    errors.into_result(())?;
    let accept = |gate: &Gate| {
        flow.is_none_or(|flow| gate.flow == flow) && assignee.as_ref().is_none_or(|filter| filter.includes(gate, &request.caller.actor))
    };
    let page = store.open_gates(&request.caller.org, &accept, &paging.window).await?;
    let rows = view::approvals(runs, clock.now(), &page.rows).await?;
    paging.respond(&Page { rows, next: page.next, total: page.total, unreadable: page.unreadable }, Value::clone).await
}

fn assignee_filter(request: &ApiRequest, errors: &mut FieldErrors) -> Option<AssigneeFilter> {
    request.query_as("assignee", errors, |text| match text {
        "me" => Ok(AssigneeFilter::Mine),
        other => other.parse().map(AssigneeFilter::AssignedTo).map_err(|_| "must be `me`, `role:…`, `user:…` or `team:…`".to_owned()),
    })
}

/// Returns the id of the flow in the query. Fails with 404 if there is no such flow.
async fn flow_filter(store: &impl Flows, request: &ApiRequest, errors: &mut FieldErrors) -> Result<Option<FlowId>, ApiError> {
    let Some(name) = request.query_flow("flow", errors) else { return Ok(None) };
    let flow = store.flow(&request.caller.org, &name).await?.ok_or(ApplicationError::NotFound("flow"))?;
    Ok(Some(flow.id))
}

/// Returns the text that a cursor of this list is bound to.
fn list_name(flow: Option<FlowId>, request: &ApiRequest) -> String {
    let flow = flow.map_or_else(|| "any flow".to_owned(), |flow| flow.to_string());
    format!("{} oldest first, of {flow}, for {}", ENDPOINT.path, assignee_text(request.query("assignee"), &request.caller.actor))
}

/// Returns the assignee as a cursor is bound to it. The meaning of `me` depends on the actor, and on its roles and teams.
fn assignee_text(assignee: Option<&str>, actor: &Actor) -> String {
    match assignee {
        None => "anyone".to_owned(),
        Some("me") => format!("{actor:?}"),
        Some(assignee) => assignee.to_owned(),
    }
}
