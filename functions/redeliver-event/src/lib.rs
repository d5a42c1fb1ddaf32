//! `POST /api/webhooks/{id}/deliveries/{deliveryId}/redeliver`: delivers an event once more.

use api::{ApiError, Call, Endpoint, Reply, under, view};
use domain::access::Scope;
use domain::ports::{Clock, Deliveries, DeliveryQueue, WebhookEndpoints};

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint {
    name: "redeliver-event",
    method: "POST",
    path: "/api/webhooks/{id}/deliveries/{deliveryId}/redeliver",
    scope: Scope::WebhooksManage,
};

/// 202 with the delivery: the same event to the byte, under the same ids, with all its attempts ahead, whatever became of it before.
pub async fn handle(
    table: &(impl WebhookEndpoints + Deliveries),
    queue: &impl DeliveryQueue,
    clock: &impl Clock,
    call: Call,
) -> Result<Reply, ApiError> {
    let (id, delivery) = (call.webhook_id()?, call.delivery_id()?);
    let delivery = webhooks::redeliver(table, queue, clock, &call.key.org, &id, &delivery).await?;
    Ok(Reply::accepted(under("delivery", view::delivery(&delivery))))
}
