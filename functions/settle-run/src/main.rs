//! Builds the clients once and settles runs.
#![recursion_limit = "256"] // a run is settled, and its end is completed, under one future

use engine::Engine;
use lambda_runtime::{Error, service_fn, tracing};
use runtime::SystemClock;
use settle_run::handle;
use step_functions::StepFunctions;
use store::RunStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let aws = runtime::aws().await;
    let runs = RunStore::from_env(&aws)?;
    let flows = runs.table.clone();
    let engine = Engine::new(runs, flows, StepFunctions::from_env(&aws)?, SystemClock);
    lambda_runtime::run(service_fn(|event| handle(&engine, event))).await
}
