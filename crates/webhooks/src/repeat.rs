//! Deliveries whose next attempt is due are queued again.

use domain::ports::{Clock, Deliveries, DeliveryQueue, PortError};
use domain::time::Time;
use domain::webhook::DeliveryMessage;

/// The interval at which `repeat-deliveries` runs, in seconds.
pub const TICK_SECONDS: u64 = 60;
/// A delivery that was queued and is still due is queued again after this many ticks. Its message was lost, or the queue has a backlog,
/// and then more messages would make that longer.
const AGAIN_AFTER_TICKS: u64 = 15;

/// Queues a message for each delivery whose next attempt has become due since the last tick, and every quarter of an hour for each that
/// is still due. Returns the number of messages. What could not be queued is due at one of the next ticks as well.
pub async fn send_due(webhooks: &impl Deliveries, queue: &impl DeliveryQueue, clock: &impl Clock) -> Result<usize, PortError> {
    let now = clock.now();
    let due = webhooks.due(now).await?;
    let messages: Vec<DeliveryMessage> =
        due.into_iter().filter(|(since, _)| is_for_this_tick(*since, now)).map(|(_, message)| message).collect();
    if messages.is_empty() {
        return Ok(0);
    }
    let mut failed = None;
    for outcome in queue.send(&messages).await {
        failed = failed.or(outcome.err());
    }
    failed.map_or(Ok(messages.len()), Err)
}

/// Ticks come late and sometimes twice, so a delivery that has become due is taken up by two of them.
fn is_for_this_tick(since: Time, now: Time) -> bool {
    let ticks = now.millis_since(since) / 1000 / TICK_SECONDS;
    ticks % AGAIN_AFTER_TICKS < 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_due_delivery_is_queued_at_once_and_then_every_quarter_of_an_hour() {
        let since = Time::from_millis(1_000_000);
        let sent: Vec<u64> = (0..40).filter(|minute| is_for_this_tick(since, since.plus_seconds(minute * 60 + 7))).collect();
        assert_eq!(sent, [0, 1, 15, 16, 30, 31]);
    }
}
