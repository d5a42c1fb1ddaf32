//! `GET /api/webhooks`: the organisation's webhook endpoints, newest first, without their secrets.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, Paging, view};
use domain::access::Scope;
use domain::ports::{Organisations, WebhookEndpoints};
use domain::problem::FieldErrors;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint {
    name: "list-webhooks",
    method: "GET",
    path: "/api/webhooks",
    scope: Some(Scope::WebhooksManage),
    query: &["limit", "page", "cursor"],
};

/// Returns 200 with a page of webhook endpoints.
pub async fn handle(table: &(impl WebhookEndpoints + Organisations), request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let mut errors = FieldErrors::new();
    let paging = Paging::of(&request, &format!("{} newest first", ENDPOINT.path), table, &mut errors).await?;
    errors.into_result(())?;
    let endpoints = table.endpoints(&request.caller.org).await?;
    paging.respond(&endpoints.page(&paging.window), view::webhook).await
}
