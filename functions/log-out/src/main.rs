//! Builds the clients once and serves `POST /api/auth/logout`.

use log_out::{ENDPOINT, handle};
use runtime::SystemClock;
use store::Table;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let table = Table::from_env(&runtime::aws().await)?;
    api::serve(ENDPOINT, table.clone(), SystemClock, |call| handle(&table, &SystemClock, call)).await
}
