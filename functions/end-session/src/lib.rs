//! `DELETE /api/sessions/{sessionId}`: ends a session of a browser.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::ports::{Clock, Sessions};

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "end-session", method: "DELETE", path: "/api/sessions/{sessionId}", scope: None, query: &[] };

/// Returns 204. The session admits no request that begins afterwards. Only the caller's own sessions can be ended, unless the caller has
/// `actors:manage`: those of others are 404 then, like those that are not there.
pub async fn handle(sessions: &impl Sessions, clock: &impl Clock, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let (caller, id) = (&request.caller, request.session_id()?);
    let found = sessions.session(&caller.org, &id).await?;
    let may_end = |actor: &str| actor == caller.actor.id || caller.allows(Scope::ActorsManage);
    found.filter(|session| may_end(&session.actor.id)).ok_or(ApplicationError::NotFound("session"))?;
    sessions.end_session(&caller.org, &id, clock.now()).await?;
    Ok(ApiResponse::no_content())
}
