//! Builds the clients once and serves `PUT /api/org/retention`.

use engine::LongRetention;
use runtime::SystemClock;
use set_retention::{ENDPOINT, handle};
use store::RunStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let runs = RunStore::from_env(&runtime::aws().await)?;
    let table = runs.table.clone();
    let retention = LongRetention { runs, clock: SystemClock };
    api::serve(ENDPOINT, table, SystemClock, |call| handle(&retention, call)).await
}
