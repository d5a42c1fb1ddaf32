//! `GET /api/approvals`: the open gates of the organisation, oldest first: the inbox of a reviewer.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, Paging, view};
use domain::access::{Actor, Assignee, Scope};
use domain::error::ApplicationError;
use domain::flow::{Spec, Version};
use domain::gate::Gate;
use domain::id::FlowId;
use domain::ports::{Clock, Flows, KnownVersions, Organisations, Page, PortError, RunLists, Runs, barred};
use domain::problem::FieldErrors;
use domain::time::Time;
use serde_json::Value;
use view::{ShownApproval, Viewer};

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
    /// The gates that the caller can decide now.
    Mine,
    /// The gates with this assignee.
    AssignedTo(Assignee),
}

impl AssigneeFilter {
    /// Returns the only assignees whose gates the filter includes; `None` among them stands for gates without one.
    fn assignees(&self, actor: &Actor) -> Vec<Option<Assignee>> {
        match self {
            Self::Mine => {
                let roles = actor.roles.iter().cloned().map(Assignee::Role);
                let teams = actor.teams.iter().cloned().map(Assignee::Team);
                roles.chain(teams).chain([Assignee::User(actor.id.clone())]).map(Some).chain([None]).collect()
            }
            Self::AssignedTo(assignee) => vec![Some(assignee.clone())],
        }
    }

    fn includes(&self, gate: &Gate, actor: &Actor, now: Time) -> bool {
        match self {
            Self::Mine => gate.cannot_decide(&gate.basis.barred, actor, now).is_none(),
            Self::AssignedTo(assignee) => gate.assign_to.as_ref() == Some(assignee),
        }
    }
}

/// Returns 200 with a page of approvals, filtered by `assignee` and `flow`. Large actions are references. `assignee=me` are those that the
/// caller can decide now.
pub async fn handle(
    runs: &impl Runs,
    store: &(impl Flows + Organisations + RunLists),
    versions: &KnownVersions,
    clock: &impl Clock,
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let mut errors = FieldErrors::new();
    let assignee = assignee_filter(&request, &mut errors);
    let flow = flow_filter(store, &request, &mut errors).await?;
    let paging = Paging::of(&request, &list_name(flow, &request), store, &mut errors).await?;
    errors.into_result(())?;
    let now = clock.now();
    let accept = |gate: &Gate| {
        flow.is_none_or(|flow| gate.flow == flow)
            && assignee.as_ref().is_none_or(|filter| filter.includes(gate, &request.caller.actor, now))
    };
    let assignees = assignee.as_ref().map(|filter| filter.assignees(&request.caller.actor));
    let page = store.open_gates(&request.caller.org, assignees.as_deref(), &accept, &paging.window).await?;
    let mut unreadable = page.unreadable;
    let mut found = Vec::new();
    for gate in &page.rows {
        match flow_of(runs, store, versions, gate).await {
            Ok((flow, barred)) => found.push((gate, flow, barred)),
            Err(error) if error.is_permanent() => {
                tracing::error!(run = %gate.run, approval = %gate.id, %error, "the flow of an approval cannot be read; the row is left out");
                unreadable += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let shown: Vec<ShownApproval<'_>> =
        found.iter().map(|(gate, flow, barred)| ShownApproval { gate, version: &flow.0, spec: &flow.1, barred }).collect();
    let rows = view::approvals(runs, now, Viewer::of(&request), &shown).await?;
    paging.respond(&Page { rows, next: page.next, total: page.total, unreadable }, Value::clone).await
}

/// Returns the version of the flow that the run of a gate executes, and the actors whom `requireDifferentActor` shuts out.
async fn flow_of(
    runs: &impl Runs,
    flows: &impl Flows,
    versions: &KnownVersions,
    gate: &Gate,
) -> Result<(Arc<(Version, Spec)>, BTreeSet<String>), PortError> {
    if let Some(number) = gate.basis.flow_version {
        return Ok((versions.get(flows, &gate.org, &gate.flow, number).await?, gate.basis.barred.clone()));
    }
    // An earlier version opened the gate: only the run says it.
    let run = runs.load(&gate.run).await?.ok_or_else(|| PortError::Corrupt(format!("{} has a gate and is not there", gate.run)))?;
    let flow = versions.get(flows, &gate.org, &gate.flow, run.flow_version).await?;
    let barred = barred(gate, &run, &flow.1);
    Ok((flow, barred))
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
