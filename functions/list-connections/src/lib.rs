//! `GET /api/service-connections`: the organisation's service connections, newest first, without their keys.

use api::{ApiError, Call, Endpoint, Paging, Reply, view};
use domain::access::Scope;
use domain::ports::{ConnectionBook, Organisations};
use domain::problem::FieldErrors;

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "list-connections", method: "GET", path: "/api/service-connections", scope: Scope::ConnectionsRead };

/// 200 with a page of connections; `apiKeyHash` says whether the key is still the same, and nothing of the key.
pub async fn handle(book: &(impl ConnectionBook + Organisations), call: Call) -> Result<Reply, ApiError> {
    let mut errors = FieldErrors::new();
    let paging = Paging::of(&call, &format!("{} newest first", ENDPOINT.path), book, &mut errors).await?;
    errors.into_result(())?;
    let page = book.connections(&call.key.org, &paging.window).await?;
    paging.reply(&page, view::connection).await
}
