//! Builds the clients once and serves `PATCH /api/flows/{id}`.

use runtime::SystemClock;
use store::Table;
use update_flow::{ENDPOINT, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let table = Table::from_env(&runtime::aws().await)?;
    api::serve(ENDPOINT, table.clone(), SystemClock, |call| handle(&table, &SystemClock, call)).await
}
