//! Builds the clients once and serves `POST /api/service-connections`.

use nodes::Egress;
use put_connection::{ENDPOINT, handle};
use runtime::{OsEntropy, SystemClock};
use store::Table;
use vault::KmsVault;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let aws = runtime::aws().await;
    let (table, vault, egress) = (Table::from_env(&aws)?, KmsVault::from_env(&aws)?, Egress::from_env()?);
    api::serve(ENDPOINT, table.clone(), SystemClock, |call| handle(&table, &vault, egress, &SystemClock, &OsEntropy, call)).await
}
