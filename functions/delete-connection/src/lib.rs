//! `DELETE /api/service-connections/{slug}`: deletes a service connection and its key.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, named, view};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::ports::ConnectionBook;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint {
    name: "delete-connection",
    method: "DELETE",
    path: "/api/service-connections/{slug}",
    scope: Some(Scope::ConnectionsWrite),
    query: &[],
};

/// Returns 200 with the connection as it was. Steps that call the service fail in every run that starts afterwards, and in active runs
/// from their next invocation on.
pub async fn handle(connections: &impl ConnectionBook, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let deleted = connections.delete_connection(&request.caller.org, &request.service_slug()?).await?;
    let connection = deleted.ok_or(ApplicationError::NotFound("service connection"))?;
    Ok(ApiResponse::ok(named("connection", view::connection(&connection))))
}
