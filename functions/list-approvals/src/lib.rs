//! `GET /api/approvals`: the open gates of the organisation, oldest first: a reviewer's inbox.

use api::{ApiError, Call, Endpoint, Paging, Reply, view};
use domain::access::{Actor, Assignee, Scope};
use domain::error::ApplicationError;
use domain::gate::Gate;
use domain::ports::{Clock, Flows, Organisations, Page, RunLists, Runs};
use domain::problem::FieldErrors;
use serde_json::Value;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint { name: "list-approvals", method: "GET", path: "/api/approvals", scope: Scope::RunsRead };

/// Whose gates are wanted.
enum Wanted {
    /// Those that the caller may decide.
    Mine,
    /// Those that are assigned just so.
    AssignedTo(Assignee),
}

impl Wanted {
    fn includes(&self, gate: &Gate, actor: &Actor) -> bool {
        match self {
            Self::Mine => gate.assign_to.as_ref().is_none_or(|assignee| assignee.includes(actor)),
            Self::AssignedTo(assignee) => gate.assign_to.as_ref() == Some(assignee),
        }
    }
}

/// 200 with a page of approvals, filtered by `assignee` and `flow`. Large actions are references.
pub async fn handle(
    runs: &impl Runs,
    store: &(impl Flows + Organisations + RunLists),
    clock: &impl Clock,
    call: Call,
) -> Result<Reply, ApiError> {
    let mut errors = FieldErrors::new();
    let wanted = call.query_as("assignee", &mut errors, |text| match text {
        "me" => Ok(Wanted::Mine),
        other => other.parse().map(Wanted::AssignedTo).map_err(|_| "must be `me`, `role:…`, `user:…` or `team:…`".to_owned()),
    });
    let flow = call.query_flow("flow", &mut errors);
    let flow = match flow {
        Some(name) => Some(store.flow(&call.key.org, &name).await?.ok_or(ApplicationError::NotFound("flow"))?.id),
        None => None,
    };
    let actor = &call.key.actor;
    let of = flow.map_or_else(|| "any flow".to_owned(), |flow| flow.to_string());
    let list = format!("{} oldest first, of {of}, for {}", ENDPOINT.path, whose(call.query("assignee"), actor));
    let paging = Paging::of(&call, &list, store, &mut errors).await?;
    errors.into_result(())?;
    let accept =
        |gate: &Gate| flow.is_none_or(|flow| gate.flow == flow) && wanted.as_ref().is_none_or(|wanted| wanted.includes(gate, actor));
    let page = store.open_gates(&call.key.org, &accept, &paging.window).await?;
    let rows = view::approvals(runs, clock.now(), &page.rows).await?;
    paging.reply(&Page { rows, next: page.next, total: page.total }, Value::clone).await
}

/// The assignee in words. `me` is somebody else with another key, and with other roles and teams.
fn whose(assignee: Option<&str>, actor: &Actor) -> String {
    match assignee {
        None => "anyone".to_owned(),
        Some("me") => format!("{actor:?}"),
        Some(assignee) => assignee.to_owned(),
    }
}
