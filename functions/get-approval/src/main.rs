//! Builds the clients once and serves `GET /api/approvals/{approvalId}`.

use get_approval::{ENDPOINT, handle};
use runtime::SystemClock;
use store::RunStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let store = RunStore::from_env(&runtime::aws().await)?;
    api::serve(ENDPOINT, store.table.clone(), SystemClock, |call| handle(&store, &store.table, &SystemClock, call)).await
}
