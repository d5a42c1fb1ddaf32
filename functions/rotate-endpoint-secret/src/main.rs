//! Builds the clients once and serves `POST /api/webhooks/{id}/rotate-secret`.

use rotate_endpoint_secret::{ENDPOINT, handle};
use runtime::{OsEntropy, SystemClock};
use store::Table;
use vault::KmsVault;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let aws = runtime::aws().await;
    let (table, vault) = (Table::from_env(&aws)?, KmsVault::from_env(&aws)?);
    api::serve(ENDPOINT, table.clone(), SystemClock, |call| handle(&table, &vault, &SystemClock, &OsEntropy, call)).await
}
