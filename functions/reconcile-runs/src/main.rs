//! Builds the clients once and pays debts.

use engine::Engine;
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
    let engine = Engine { runs, flows: table.clone(), segments: StepFunctions::from_env(&aws)?, clock: SystemClock };
    lambda_runtime::run(service_fn(|event| handle(&engine, &table, event))).await
}
