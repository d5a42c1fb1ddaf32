//! The worker that remembers: a schedule invokes it every minute, and it puts into the queue the deliveries whose next attempt is due.

use domain::ports::{Clock, Deliveries, DeliveryQueue};
use lambda_runtime::{Error, LambdaEvent};
use serde_json::{Value, json};

/// Looks for what is due. What fails is due at the next tick as well.
pub async fn handle(
    webhooks: &impl Deliveries,
    queue: &impl DeliveryQueue,
    clock: &impl Clock,
    _: LambdaEvent<Value>,
) -> Result<Value, Error> {
    let sent = webhooks::send_due(webhooks, queue, clock).await?;
    if sent > 0 {
        tracing::info!(sent, "attempts are due");
    }
    Ok(json!({"sent": sent}))
}
