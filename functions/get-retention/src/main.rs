//! Builds the clients once and serves `GET /api/org/retention`.

use engine::Engine;
use get_retention::{ENDPOINT, handle};
use runtime::SystemClock;
use step_functions::NoExecutions;
use store::RunStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let runs = RunStore::from_env(&runtime::aws().await)?;
    let table = runs.table.clone();
    let engine = Engine { runs, flows: table.clone(), segments: NoExecutions, clock: SystemClock };
    api::serve(ENDPOINT, table, SystemClock, |call| handle(&engine, call)).await
}
