//! Builds the clients once and reconciles runs.

use engine::{Engine, LongRetention, OutputPurge};
use lambda_runtime::{Error, service_fn, tracing};
use reconcile_runs::handle;
use runtime::SystemClock;
use step_functions::StepFunctions;
use store::RunStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let aws = runtime::aws().await;
    let runs = RunStore::from_env(&aws)?;
    let table = runs.table.clone();
    let purge = OutputPurge { runs: runs.clone(), clock: SystemClock };
    let retention = LongRetention { runs: runs.clone(), clock: SystemClock };
    let engine = Engine::new(runs, table.clone(), StepFunctions::from_env(&aws)?, SystemClock);
    lambda_runtime::run(service_fn(|event| handle(&engine, &purge, &retention, &table, event))).await
}
