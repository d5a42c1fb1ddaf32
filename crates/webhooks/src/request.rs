//! Deliveries that a caller of the API requests: a test event, and an event once more.

use domain::error::ApplicationError;
use domain::id::{DeliveryId, EndpointId, EventId, OrgId};
use domain::ports::{Clock, CommitError, Deliveries, DeliveryQueue, PortError, WebhookEndpoints};
use domain::webhook::{Delivery, test_event};

use crate::save::save;

/// The number of times that a delivery is read and changed before that gives up, because another writer changed it meanwhile.
const MAX_TRIES: usize = 10;

/// Sends `webhook.test` to an endpoint, through the queue like every event. Returns the delivery. Fails with `NotFound` if there is no
/// such endpoint.
pub async fn test<W: WebhookEndpoints + Deliveries>(
    webhooks: &W,
    queue: &impl DeliveryQueue,
    clock: &impl Clock,
    org: &OrgId,
    endpoint: &EndpointId,
    random: u128,
) -> Result<Delivery, ApplicationError> {
    webhooks.endpoints(org).await?.get(endpoint)?;
    let now = clock.now();
    let event = test_event(EventId::new(now, random), *org, now);
    let delivery = Delivery::new(&event, *endpoint);
    save(webhooks, &event, std::slice::from_ref(&delivery)).await?;
    send(queue, &delivery).await?;
    Ok(delivery)
}

/// Delivers an event to an endpoint once more, under the same ids, whatever the state of its delivery is. Returns the delivery. Fails
/// with `NotFound` if there is no such endpoint or delivery.
pub async fn redeliver<W: WebhookEndpoints + Deliveries>(
    webhooks: &W,
    queue: &impl DeliveryQueue,
    clock: &impl Clock,
    org: &OrgId,
    endpoint: &EndpointId,
    delivery: &DeliveryId,
) -> Result<Delivery, ApplicationError> {
    webhooks.endpoints(org).await?.get(endpoint)?;
    for _ in 0..MAX_TRIES {
        let found = webhooks.delivery(org, endpoint, delivery, clock.now()).await?.ok_or(ApplicationError::NotFound("delivery"))?;
        match webhooks.update_delivery(found.again(clock.now())).await {
            Ok(again) => {
                send(queue, &again).await?;
                return Ok(again);
            }
            Err(CommitError::Changed) => {}
            Err(CommitError::Port(error)) => return Err(error.into()),
        }
    }
    Err(PortError::Unavailable(format!("{delivery} changed {MAX_TRIES} times while it was being updated")).into())
}

async fn send(queue: &impl DeliveryQueue, delivery: &Delivery) -> Result<(), PortError> {
    queue.send(&[delivery.message()]).await.into_iter().collect()
}
