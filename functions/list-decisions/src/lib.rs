//! `GET /api/decisions`: the decisions of the organisation, newest first, filtered by any combination of actor, flow, verdict, whether the
//! action was edited, and time.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, Paging, view};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::gate::{DecisionFilter, Verdict};
use domain::ports::{Decisions, Flows, Organisations};
use domain::problem::FieldErrors;
use domain::time::Time;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint {
    name: "list-decisions",
    method: "GET",
    path: "/api/decisions",
    scope: Some(Scope::RunsRead),
    query: &["actor", "flow", "verdict", "edited", "from", "to", "limit", "page", "cursor"],
};

/// The most bytes that the id of an actor has.
const MAX_ACTOR_BYTES: usize = 500;

/// Returns 200 with a page of decisions.
pub async fn handle(store: &(impl Decisions + Flows + Organisations), request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let mut errors = FieldErrors::new();
    let flow = match request.query_flow("flow", &mut errors) {
        Some(name) => Some(store.flow(&request.caller.org, &name).await?.ok_or(ApplicationError::NotFound("flow"))?.id),
        None => None,
    };
    let time = |text: &str| text.parse::<Time>().map_err(|problem| problem.to_string());
    let filter = DecisionFilter {
        actor: request.query_as("actor", &mut errors, actor),
        flow,
        verdict: request.query_as("verdict", &mut errors, |text| {
            Verdict::from_name(text).ok_or_else(|| "must be one of approved, rejected, expired".to_owned())
        }),
        edited: request.query_as("edited", &mut errors, |text| text.parse().map_err(|_| "must be true or false".to_owned())),
        from: request.query_as("from", &mut errors, time),
        to: request.query_as("to", &mut errors, time),
    };
    let list = format!("{} newest first, {}", ENDPOINT.path, in_words(&filter));
    let paging = Paging::of(&request, &list, store, &mut errors).await?;
    errors.into_result(())?;
    let page = store.decisions(&request.caller.org, &filter, &paging.window).await?;
    paging.respond(&page, view::decision_row).await
}

fn actor(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && text.len() <= MAX_ACTOR_BYTES && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err(format!("must be the id of an actor, of at most {MAX_ACTOR_BYTES} bytes")) }
}

/// Returns a text that is equal for equal filters, whatever their notation in the query.
fn in_words(filter: &DecisionFilter) -> String {
    let DecisionFilter { actor, flow, verdict, edited, from, to } = filter;
    let words = [
        ("flow", flow.map(|flow| flow.to_string())),
        ("verdict", verdict.map(|verdict| verdict.to_string())),
        ("edited", edited.map(|edited| edited.to_string())),
        ("from", from.map(|from| from.to_string())),
        ("to", to.map(|to| to.to_string())),
        // The actor comes last, because it may contain any character.
        ("actor", actor.clone()),
    ];
    let words = words.into_iter().map(|(name, word)| word.map_or_else(|| format!("any {name}"), |word| format!("{name} {word}")));
    words.collect::<Vec<_>>().join(", ")
}
