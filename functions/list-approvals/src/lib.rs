//! `GET /api/approvals`: the open gates of the organisation, oldest first: the inbox of a reviewer.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, Paging, view};
use domain::access::{Actor, Assignee, Scope};
use domain::error::ApplicationError;
use domain::gate::Gate;
use domain::ports::{Clock, Flows, Organisations, Page, RunLists, Runs};
use domain::problem::FieldErrors;
use serde_json::Value;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint { name: "list-approvals", method: "GET", path: "/api/approvals", scope: Scope::RunsRead };

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
    let wanted = request.query_as("assignee", &mut errors, |text| match text {
        "me" => Ok(AssigneeFilter::Mine),
        other => other.parse().map(AssigneeFilter::AssignedTo).map_err(|_| "must be `me`, `role:…`, `user:…` or `team:…`".to_owned()),
    });
    let flow = request.query_flow("flow", &mut errors);
    let flow = match flow {
        Some(name) => Some(store.flow(&request.key.org, &name).await?.ok_or(ApplicationError::NotFound("flow"))?.id),
        None => None,
    };
    let actor = &request.key.actor;
    let of = flow.map_or_else(|| "any flow".to_owned(), |flow| flow.to_string());
    let list = format!("{} oldest first, of {of}, for {}", ENDPOINT.path, assignee_text(request.query("assignee"), actor));
    let paging = Paging::of(&request, &list, store, &mut errors).await?;
    errors.into_result(())?;
    let accept =
        |gate: &Gate| flow.is_none_or(|flow| gate.flow == flow) && wanted.as_ref().is_none_or(|wanted| wanted.includes(gate, actor));
    let page = store.open_gates(&request.key.org, &accept, &paging.window).await?;
    let rows = view::approvals(runs, clock.now(), &page.rows).await?;
    paging.respond(&Page { rows, next: page.next, total: page.total }, Value::clone).await
}

/// Returns the assignee as a cursor is bound to it. The meaning of `me` depends on the actor, and on its roles and teams.
fn assignee_text(assignee: Option<&str>, actor: &Actor) -> String {
    match assignee {
        None => "anyone".to_owned(),
        Some("me") => format!("{actor:?}"),
        Some(assignee) => assignee.to_owned(),
    }
}
