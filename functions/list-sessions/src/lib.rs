//! `GET /api/sessions`: the sessions of browsers that are not over.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, Paging, view};
use domain::access::Scope;
use domain::login::Session;
use domain::ports::{Clock, Organisations, Page, Sessions, Window};
use domain::problem::FieldErrors;

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "list-sessions", method: "GET", path: "/api/sessions", scope: None, query: &["actor", "limit", "page", "cursor"] };

/// The most bytes that the id of an actor has.
const MAX_ACTOR_BYTES: usize = 255;

/// Returns 200 with the caller's own sessions, newest first. A caller with `actors:manage` gets those of the organisation, or of `actor`; for
/// anybody else `actor` must be the caller's own. Fails with 403 otherwise.
pub async fn handle(store: &(impl Sessions + Organisations), clock: &impl Clock, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let own = request.caller.actor.id.clone();
    let manages = request.caller.allows(Scope::ActorsManage);
    let actor = request.query("actor").map(str::to_owned).or_else(|| (!manages).then(|| own.clone()));
    if !manages && actor.as_deref() != Some(own.as_str()) {
        return Err(ApiError::MissingScope(Scope::ActorsManage));
    }
    let mut errors = FieldErrors::new();
    if actor.as_ref().is_some_and(|actor| actor.len() > MAX_ACTOR_BYTES) {
        errors.add("actor", format!("must have at most {MAX_ACTOR_BYTES} bytes"));
    }
    let list = format!("{} newest first, of {}", ENDPOINT.path, actor.as_deref().unwrap_or("everybody"));
    let paging = Paging::of(&request, &list, store, &mut errors).await?;
    errors.into_result(())?;
    let now = clock.now();
    let mut sessions = store.sessions(&request.caller.org).await?;
    sessions.retain(|session| !session.is_over(now) && actor.as_ref().is_none_or(|actor| session.actor.id == *actor));
    let current = request.caller.session();
    paging.respond(&page(&sessions, &paging.window), |session| view::session(session, current)).await
}

fn page(newest_first: &[Session], window: &Window) -> Page<Session> {
    let is_behind = |session: &&Session| window.after.as_ref().is_none_or(|after| session.id.to_string() < *after);
    let behind: Vec<&Session> = newest_first.iter().filter(is_behind).collect();
    let rows: Vec<Session> = behind.iter().skip(window.skip).take(window.limit).map(|session| Session::clone(session)).collect();
    let has_more = behind.len() > window.skip + window.limit;
    let next = rows.last().filter(|_| has_more).map(|session| session.id.to_string());
    Page { rows, next, total: newest_first.len() as u64, unreadable: 0 }
}
