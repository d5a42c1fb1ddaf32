//! Builds the clients once and serves `POST /api/flows/{id}/rotate-webhook-secret`.

use engine::WebhookKeeper;
use rotate_trigger_secret::{ENDPOINT, handle};
use runtime::{OsEntropy, SystemClock};
use store::Table;
use vault::KmsVault;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let aws = runtime::aws().await;
    let table = Table::from_env(&aws)?;
    let keeper = WebhookKeeper { webhooks: table.clone(), vault: KmsVault::from_env(&aws)?, clock: SystemClock };
    api::serve(ENDPOINT, table.clone(), SystemClock, |call| handle(&table, &keeper, &OsEntropy, call)).await
}
