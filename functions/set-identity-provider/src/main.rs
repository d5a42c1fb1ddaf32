//! Builds the clients once and serves `PUT /api/org/identity-provider`.

use login::Web;
use runtime::SystemClock;
use set_identity_provider::{ENDPOINT, handle};
use store::Table;
use vault::KmsVault;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let aws = runtime::aws().await;
    let (table, vault, web) = (Table::from_env(&aws)?, KmsVault::from_env(&aws)?, Web::from_env()?);
    api::serve(ENDPOINT, table.clone(), SystemClock, |call| handle(&table, &vault, &web, &SystemClock, call)).await
}
