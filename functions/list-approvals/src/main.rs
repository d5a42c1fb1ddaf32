//! Builds the clients once and serves `GET /api/approvals`.

use domain::ports::KnownVersions;
use list_approvals::{ENDPOINT, handle};
use runtime::SystemClock;
use store::RunStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let store = RunStore::from_env(&runtime::aws().await)?;
    let versions = KnownVersions::default();
    api::serve(ENDPOINT, store.table.clone(), SystemClock, |call| handle(&store, &store.table, &versions, &SystemClock, call)).await
}
