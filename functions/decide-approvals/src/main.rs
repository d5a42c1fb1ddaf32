//! Builds the clients once and serves `POST /api/approvals/decide`.

use decide_approvals::{ENDPOINT, handle};
use engine::Engine;
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
