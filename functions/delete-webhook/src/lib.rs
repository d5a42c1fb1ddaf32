//! `DELETE /api/webhooks/{id}`: deletes a webhook endpoint.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, named, view};
use domain::access::Scope;
use domain::ports::WebhookEndpoints;

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "delete-webhook", method: "DELETE", path: "/api/webhooks/{id}", scope: Some(Scope::WebhooksManage), query: &[] };

/// Returns 200 with the webhook as it was. No attempt begins after the response, not even for deliveries in the queue.
pub async fn handle(table: &impl WebhookEndpoints, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let id = request.webhook_id()?;
    let gone = webhooks::update_endpoints(table, &request.caller.org, |endpoints| endpoints.remove(&id)).await?;
    Ok(ApiResponse::ok(named("webhook", view::webhook(&gone))))
}
