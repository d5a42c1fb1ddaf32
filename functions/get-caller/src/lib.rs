//! `GET /api/whoami`: the caller's own key.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, view};

/// This endpoint. It needs no scope: every valid key may read about itself.
pub const ENDPOINT: Endpoint = Endpoint { name: "get-caller", method: "GET", path: "/api/whoami", scope: None, query: &[] };

/// Returns 200 with the caller's key, its organisation and its environment. The secret is not in it.
#[expect(clippy::unused_async, reason = "a handler is asynchronous")]
pub async fn handle(request: ApiRequest) -> Result<ApiResponse, ApiError> {
    Ok(ApiResponse::ok(view::caller(&request.caller)))
}
