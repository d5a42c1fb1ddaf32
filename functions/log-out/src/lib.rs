//! `POST /api/auth/logout`: ends the caller's own session.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, SESSION_COOKIE, forget_cookie};
use domain::ports::{Clock, Sessions};

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint { name: "log-out", method: "POST", path: "/api/auth/logout", scope: None, query: &[] };

/// Returns 204, and makes the browser forget its cookie. A caller without a session has nothing to end.
pub async fn handle(sessions: &impl Sessions, clock: &impl Clock, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    if let Some(session) = request.caller.session() {
        sessions.end_session(&session.org, &session.id, clock.now()).await?;
    }
    Ok(ApiResponse::no_content().with_cookie(forget_cookie(SESSION_COOKIE, &request.base_url().path("/"))))
}
