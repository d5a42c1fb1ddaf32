//! Builds the clients once and serves `GET /api/org/identity-provider`.

use get_identity_provider::{ENDPOINT, handle};
use runtime::SystemClock;
use store::Table;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let table = Table::from_env(&runtime::aws().await)?;
    api::serve(ENDPOINT, table.clone(), SystemClock, |call| handle(&table, call)).await
}
