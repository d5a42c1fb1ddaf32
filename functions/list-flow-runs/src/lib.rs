//! `GET /api/flows/{id}/runs`: the runs of a flow, newest first, filtered by any combination of status, trigger and creation time.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, Paging, view};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::ports::{Flows, Organisations, RunFilter, RunLists};
use domain::problem::FieldErrors;
use domain::run::{RunStatus, Trigger};
use domain::time::Time;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint {
    name: "list-flow-runs",
    method: "GET",
    path: "/api/flows/{id}/runs",
    scope: Some(Scope::RunsRead),
    query: &["status", "trigger", "from", "to", "limit", "page", "cursor"],
};

/// Returns 200 with a page of summaries.
pub async fn handle(store: &(impl Flows + Organisations + RunLists), request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let flow = store.flow(&request.caller.org, &request.flow_name()?).await?.ok_or(ApplicationError::NotFound("flow"))?;
    let mut errors = FieldErrors::new();
    let time = |text: &str| text.parse::<Time>().map_err(|problem| problem.to_string());
    let filter = RunFilter {
        status: request.query_as("status", &mut errors, |text| one_of(RunStatus::from_name(text), RunStatus::ALL)),
        trigger: request.query_as("trigger", &mut errors, |text| one_of(Trigger::from_name(text), Trigger::ALL)),
        from: request.query_as("from", &mut errors, time),
        to: request.query_as("to", &mut errors, time),
    };
    let list = format!("{} newest first, {} {}", ENDPOINT.path, flow.id, in_words(&filter));
    let paging = Paging::of(&request, &list, store, &mut errors).await?;
    errors.into_result(())?;
    let page = store.runs_of(&flow.id, &filter, &paging.window).await?;
    paging.respond(&page, view::run_summary).await
}

/// Returns a text that is equal for equal filters, whatever their notation in the query.
fn in_words(filter: &RunFilter) -> String {
    let word = |word: Option<String>| word.unwrap_or_else(|| "any".to_owned());
    let RunFilter { status, trigger, from, to } = filter;
    let (status, trigger) = (status.map(|status| status.to_string()), trigger.map(|trigger| trigger.to_string()));
    let (from, to) = (from.map(|from| from.to_string()), to.map(|to| to.to_string()));
    format!("status {}, trigger {}, from {}, to {}", word(status), word(trigger), word(from), word(to))
}

fn one_of<T: ToString>(found: Option<T>, all: &[T]) -> Result<T, String> {
    found.ok_or_else(|| format!("must be one of {}", all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")))
}
