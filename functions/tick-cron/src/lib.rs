//! The worker that starts the flows whose time has come: a schedule invokes it every minute.

use domain::ports::{Clock, CronFlows, Entropy, Executions, Flows};
use domain::time::Time;
use engine::Scheduler;
use lambda_runtime::{Error, LambdaEvent};
use serde_json::{Value, json};

/// What is left of an invocation's time when it begins nothing more, in seconds: what is under way takes a fraction of that.
const MARGIN_SECONDS: u64 = 5;

/// Starts every flow that is due. Ticks may come late, twice or at the same time. What there is no time for, the next tick does.
pub async fn handle(
    scheduler: &Scheduler<impl Flows + CronFlows, impl Executions, impl Clock>,
    entropy: &impl Entropy,
    event: LambdaEvent<Value>,
) -> Result<Value, Error> {
    let stop_at = Time::from_millis(event.context.deadline.saturating_sub(MARGIN_SECONDS * 1000));
    let ticked = scheduler.tick(entropy, stop_at).await?;
    let (created, pending, left, failed) = (ticked.created, ticked.pending, ticked.left, ticked.failed);
    if created + left + failed > 0 {
        tracing::info!(created, pending, left, failed, "started the flows that were due");
    }
    if failed > 0 {
        // The log has the reasons, one by one. The invocation fails, so that an alarm on errors sees it.
        return Err(format!("{failed} flows that are due could not be started").into());
    }
    Ok(json!({"created": created, "pending": pending, "left": left}))
}
