//! The worker that pays what crashes left owing, and does what takes long: a schedule invokes it every five minutes.

use domain::ports::{Clock, Executions, Flows, Outputs, RetentionJobs, RunLists, Runs};
use domain::time::Time;
use engine::Engine;
use lambda_runtime::{Error, LambdaEvent};
use serde_json::{Value, json};

/// What is left of an invocation's time when it begins nothing more, in seconds: a page of runs takes a fraction of that.
const MARGIN_SECONDS: u64 = 40;

/// Starts the segments and rings the bells that are owed, looks once more through runs that were purged, and works on switches of
/// long retention for the rest of its time. One that fails does not hold up the others.
pub async fn handle<R: Runs + Outputs + RetentionJobs, F: Flows, S: Executions, C: Clock>(
    engine: &Engine<R, F, S, C>,
    lists: &impl RunLists,
    event: LambdaEvent<Value>,
) -> Result<Value, Error> {
    let stop_at = Time::from_millis(event.context.deadline.saturating_sub(MARGIN_SECONDS * 1000));
    let debts = engine.reconcile(lists).await;
    let purges = engine.purge_again().await;
    let jobs = engine.apply_retention(lists, stop_at).await;
    let (found, purges, jobs) = (debts?, purges?, jobs?);
    if found + purges + jobs > 0 {
        tracing::info!(found, purges, jobs, "paid the debts of runs");
    }
    Ok(json!({"found": found, "purges": purges, "jobs": jobs}))
}
