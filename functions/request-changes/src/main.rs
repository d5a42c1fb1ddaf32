//! Builds the clients once and serves `POST /api/runs/{runId}/request-changes`.

use engine::Engine;
use request_changes::{ENDPOINT, handle};
use runtime::SystemClock;
use step_functions::StepFunctions;
use store::RunStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let aws = runtime::aws().await;
    let runs = RunStore::from_env(&aws)?;
    let table = runs.table.clone();
    let engine = Engine::new(runs, table.clone(), StepFunctions::from_env(&aws)?, SystemClock);
    api::serve(ENDPOINT, table, SystemClock, |call| handle(&engine, call)).await
}
