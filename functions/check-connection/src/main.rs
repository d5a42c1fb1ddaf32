//! Builds the clients once and serves `GET /api/service-connections/{slug}/health`.

use check_connection::{ENDPOINT, handle};
use nodes::{Egress, Outbound};
use runtime::SystemClock;
use store::Table;
use vault::KmsVault;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let aws = runtime::aws().await;
    let (table, vault, outbound) = (Table::from_env(&aws)?, KmsVault::from_env(&aws)?, Outbound::new(Egress::from_env()?)?);
    api::serve(ENDPOINT, table.clone(), SystemClock, |call| handle(&table, &vault, &outbound, &SystemClock, call)).await
}
