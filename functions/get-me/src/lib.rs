//! `GET /api/me`: who calls, with any credential.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, named, view};

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint { name: "get-me", method: "GET", path: "/api/me", scope: None, query: &[] };

/// Returns 200 with the actor, its roles and teams, what it may do, and how that is known.
pub fn handle(request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    Ok(ApiResponse::ok(named("me", view::me(&request.caller, None))))
}
