//! The worker that pays what crashes left owing: a schedule invokes it every five minutes.

use domain::ports::{Clock, Flows, RunLists, Runs, Segments};
use engine::Engine;
use lambda_runtime::{Error, LambdaEvent};
use serde_json::{Value, json};

/// Starts the segments and rings the bells that are owed.
pub async fn handle<R: Runs, F: Flows, S: Segments, C: Clock>(
    engine: &Engine<R, F, S, C>,
    lists: &impl RunLists,
    _event: LambdaEvent<Value>,
) -> Result<Value, Error> {
    let found = engine.reconcile(lists).await?;
    if found > 0 {
        tracing::info!(found, "paid the debts of runs");
    }
    Ok(json!({"found": found}))
}
