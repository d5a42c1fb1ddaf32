//! `GET /api/webhooks/{id}`: one webhook, without its secret.

use api::{ApiError, Call, Endpoint, Reply, under, view};
use domain::access::Scope;
use domain::ports::WebhookEndpoints;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint { name: "get-webhook", method: "GET", path: "/api/webhooks/{id}", scope: Scope::WebhooksManage };

/// 200 with the webhook.
pub async fn handle(table: &impl WebhookEndpoints, call: Call) -> Result<Reply, ApiError> {
    let id = call.webhook_id()?;
    let endpoints = table.endpoints(&call.key.org).await?;
    Ok(Reply::ok(under("webhook", view::webhook(endpoints.get(&id)?))))
}
