//! `GET /api/service-connections`: the organisation's service connections, newest first, without their keys.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, Paging, view};
use domain::access::Scope;
use domain::ports::{ConnectionBook, Organisations};
use domain::problem::FieldErrors;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint {
    name: "list-connections",
    method: "GET",
    path: "/api/service-connections",
    scope: Some(Scope::ConnectionsRead),
    query: &["limit", "page", "cursor"],
};

/// Returns 200 with a page of connections. `apiKeyHash` changes when the key changes, and reveals nothing of the key.
pub async fn handle(connections: &(impl ConnectionBook + Organisations), request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let mut errors = FieldErrors::new();
    let paging = Paging::of(&request, &format!("{} newest first", ENDPOINT.path), connections, &mut errors).await?;
    errors.into_result(())?;
    let page = connections.connections(&request.caller.org, &paging.window).await?;
    paging.respond(&page, view::connection).await
}
