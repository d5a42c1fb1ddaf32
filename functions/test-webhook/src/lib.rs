//! `POST /api/webhooks/{id}/test`: sends `webhook.test` to a webhook.

use api::{ApiError, Call, Endpoint, Reply, under, view};
use domain::access::Scope;
use domain::ports::{Clock, Deliveries, DeliveryQueue, Entropy, WebhookEndpoints};

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "test-webhook", method: "POST", path: "/api/webhooks/{id}/test", scope: Scope::WebhooksManage };

/// 202 with the delivery, which goes the way of all others: signed, repeated if need be, and shown in the list. The webhook gets it
/// whatever it wants to hear of.
pub async fn handle(
    table: &(impl WebhookEndpoints + Deliveries),
    queue: &impl DeliveryQueue,
    clock: &impl Clock,
    entropy: &impl Entropy,
    call: Call,
) -> Result<Reply, ApiError> {
    let delivery = webhooks::test(table, queue, clock, &call.key.org, &call.webhook_id()?, entropy.random()).await?;
    Ok(Reply::accepted(under("delivery", view::delivery(&delivery))))
}
