//! `GET /api/webhooks/{id}`: one webhook, without its secret.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, named, view};
use domain::access::Scope;
use domain::ports::WebhookEndpoints;

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "get-webhook", method: "GET", path: "/api/webhooks/{id}", scope: Some(Scope::WebhooksManage), query: &[] };

/// Returns 200 with the webhook.
pub async fn handle(table: &impl WebhookEndpoints, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let id = request.webhook_id()?;
    let endpoints = table.endpoints(&request.caller.org).await?;
    Ok(ApiResponse::ok(named("webhook", view::webhook(endpoints.get(&id)?))))
}
