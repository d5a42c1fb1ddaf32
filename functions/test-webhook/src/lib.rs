//! `POST /api/webhooks/{id}/test`: sends `webhook.test` to a webhook endpoint.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, named, view};
use domain::access::Scope;
use domain::ports::{Clock, Deliveries, DeliveryQueue, Entropy, WebhookEndpoints};

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "test-webhook", method: "POST", path: "/api/webhooks/{id}/test", scope: Some(Scope::WebhooksManage), query: &[] };

/// Returns 202 with the delivery. Like any other it is signed, repeated if necessary, and listed. The endpoint gets it whatever events it
/// is registered for.
pub async fn handle(
    table: &(impl WebhookEndpoints + Deliveries),
    queue: &impl DeliveryQueue,
    clock: &impl Clock,
    entropy: &impl Entropy,
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let delivery = webhooks::test(table, queue, clock, &request.caller.org, &request.webhook_id()?, entropy.random()).await?;
    Ok(ApiResponse::accepted(named("delivery", view::delivery(&delivery))))
}
