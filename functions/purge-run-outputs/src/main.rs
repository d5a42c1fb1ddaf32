//! Builds the clients once and serves `DELETE /api/runs/{runId}/outputs`.

use engine::OutputPurge;
use purge_run_outputs::{ENDPOINT, handle};
use runtime::SystemClock;
use store::RunStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let runs = RunStore::from_env(&runtime::aws().await)?;
    let table = runs.table.clone();
    let purge = OutputPurge { runs, clock: SystemClock };
    api::serve(ENDPOINT, table, SystemClock, |call| handle(&purge, call)).await
}
