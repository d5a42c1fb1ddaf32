//! Attempts that are owed find their way into the queue when they are due.

use domain::ports::{Clock, Deliveries, DeliveryQueue, PortError};
use domain::time::Time;
use domain::webhook::DeliveryMessage;

/// Somebody looks so often, in seconds.
pub const TICK_SECONDS: u64 = 60;
/// What was sent and is still owed gets another message only so often, in ticks: the queue may have a backlog, and then more messages
/// would make it longer; or the message was lost.
const AGAIN_AFTER_TICKS: u64 = 15;

/// Puts a message into the queue for each attempt that has become due since the last tick, and once in a quarter of an hour for each that
/// is still owed. Gives how many there were. What could not be sent is due at one of the next ticks as well.
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

/// Ticks come late and sometimes twice, so what has become due is taken up in two of them.
fn is_for_this_tick(since: Time, now: Time) -> bool {
    let ticks = now.millis_since(since) / 1000 / TICK_SECONDS;
    ticks % AGAIN_AFTER_TICKS < 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_sent_at_once_and_then_now_and_then() {
        let since = Time::from_millis(1_000_000);
        let sent: Vec<u64> = (0..40).filter(|minute| is_for_this_tick(since, since.plus_seconds(minute * 60 + 7))).collect();
        assert_eq!(sent, [0, 1, 15, 16, 30, 31]);
    }
}
