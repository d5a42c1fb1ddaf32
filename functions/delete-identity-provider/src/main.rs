//! Builds the clients once and serves `DELETE /api/org/identity-provider`.

use delete_identity_provider::{ENDPOINT, handle};
use runtime::SystemClock;
use store::Table;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let table = Table::from_env(&runtime::aws().await)?;
    api::serve(ENDPOINT, table.clone(), SystemClock, |call| handle(&table, &SystemClock, call)).await
}
