//! `POST /api/webhooks/{id}/deliveries/{deliveryId}/redeliver`: delivers an event once more.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, named, view};
use domain::access::Scope;
use domain::ports::{Clock, Deliveries, DeliveryQueue, WebhookEndpoints};

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint {
    name: "redeliver-event",
    method: "POST",
    path: "/api/webhooks/{id}/deliveries/{deliveryId}/redeliver",
    scope: Some(Scope::WebhooksManage),
    query: &[],
};

/// Returns 202 with the delivery. It sends the same bytes under the same ids, with the full number of attempts, whatever its state was.
pub async fn handle(
    table: &(impl WebhookEndpoints + Deliveries),
    queue: &impl DeliveryQueue,
    clock: &impl Clock,
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let (id, delivery) = (request.webhook_id()?, request.delivery_id()?);
    let delivery = webhooks::redeliver(table, queue, clock, &request.caller.org, &id, &delivery).await?;
    Ok(ApiResponse::accepted(named("delivery", view::delivery(&delivery))))
}
