//! `GET /api/webhooks`: the organisation's webhooks, newest first, without their secrets.

use api::{ApiError, Call, Endpoint, Paging, Reply, view};
use domain::access::Scope;
use domain::ports::{Organisations, WebhookEndpoints};
use domain::problem::FieldErrors;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint { name: "list-webhooks", method: "GET", path: "/api/webhooks", scope: Scope::WebhooksManage };

/// 200 with a page of webhooks.
pub async fn handle(table: &(impl WebhookEndpoints + Organisations), call: Call) -> Result<Reply, ApiError> {
    let mut errors = FieldErrors::new();
    let paging = Paging::of(&call, &format!("{} newest first", ENDPOINT.path), table, &mut errors).await?;
    errors.into_result(())?;
    let endpoints = table.endpoints(&call.key.org).await?;
    paging.reply(&endpoints.page(&paging.window), view::webhook).await
}
