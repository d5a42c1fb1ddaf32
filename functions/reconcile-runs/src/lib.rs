//! The worker that dispatches what crashes left pending, and does work that takes long: a schedule invokes it every five minutes.

use domain::ports::{Clock, Flows, Outputs, RetentionJobs, RunLists, Runs};
use domain::time::Time;
use engine::{Engine, LongRetention, OutputPurge, Ports};
use lambda_runtime::{Error, LambdaEvent};
use serde_json::{Value, json};

/// The time before the deadline of an invocation at which it begins no more work, in seconds: a page of runs takes a fraction of that.
const MARGIN_SECONDS: u64 = 40;

/// Dispatches the pending effects of runs, purges once more the runs whose second purge is due, and works on switches of long retention
/// for the rest of its time. One of these that fails does not delay the others; the invocation fails after all of them.
pub async fn handle(
    engine: &Engine<impl Ports>,
    purge: &OutputPurge<impl Runs + Outputs, impl Clock>,
    retention: &LongRetention<impl Runs + Outputs + RetentionJobs, impl Clock>,
    table: &(impl Flows + RunLists),
    event: LambdaEvent<Value>,
) -> Result<Value, Error> {
    let stop_at = Time::from_millis(event.context.deadline.saturating_sub(MARGIN_SECONDS * 1000));
    let dispatched = engine.reconcile(table).await;
    let purges = purge.purge_due().await;
    let jobs = retention.work_on_jobs(table, stop_at).await;
    let (found, purges, jobs) = (dispatched?, purges?, jobs?);
    if found + purges + jobs > 0 {
        tracing::info!(found, purges, jobs, "reconciled runs");
    }
    Ok(json!({"found": found, "purges": purges, "jobs": jobs}))
}
