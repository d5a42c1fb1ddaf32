//! `DELETE /api/service-connections/{slug}`: forgets a service, and its key with it.

use api::{ApiError, Call, Endpoint, Reply, under, view};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::ports::ConnectionBook;

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "delete-connection", method: "DELETE", path: "/api/service-connections/{slug}", scope: Scope::ConnectionsWrite };

/// 200 with the connection as it was. Steps that would call through it fail in every run that starts afterwards, and in those under
/// way from their next invocation on.
pub async fn handle(book: &impl ConnectionBook, call: Call) -> Result<Reply, ApiError> {
    let deleted = book.delete_connection(&call.key.org, &call.service_slug()?).await?;
    let connection = deleted.ok_or(ApplicationError::NotFound("service connection"))?;
    Ok(Reply::ok(under("connection", view::connection(&connection))))
}
