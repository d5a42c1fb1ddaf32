//! `DELETE /api/webhooks/{id}`: takes a webhook away.

use api::{ApiError, Call, Endpoint, Reply, under, view};
use domain::access::Scope;
use domain::ports::WebhookEndpoints;

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "delete-webhook", method: "DELETE", path: "/api/webhooks/{id}", scope: Scope::WebhooksManage };

/// 200 with the webhook as it was. No attempt begins after the answer, not even for what is on its way.
pub async fn handle(table: &impl WebhookEndpoints, call: Call) -> Result<Reply, ApiError> {
    let id = call.webhook_id()?;
    let gone = webhooks::update_endpoints(table, &call.key.org, |endpoints| endpoints.remove(&id)).await?;
    Ok(Reply::ok(under("webhook", view::webhook(&gone))))
}
