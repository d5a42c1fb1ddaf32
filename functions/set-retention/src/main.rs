//! Builds the clients once and serves `PUT /api/org/retention`.

use engine::Engine;
use runtime::SystemClock;
use set_retention::{ENDPOINT, handle};
use step_functions::NoExecutions;
use store::RunStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let runs = RunStore::from_env(&runtime::aws().await)?;
    let table = runs.table.clone();
    let engine = Engine { runs, flows: table.clone(), segments: NoExecutions, clock: SystemClock };
    api::serve(ENDPOINT, table, SystemClock, |call| handle(&engine, call)).await
}
