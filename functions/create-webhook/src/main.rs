//! Builds the clients once and serves `POST /api/webhooks`.

use create_webhook::{ENDPOINT, handle};
use nodes::Egress;
use runtime::{OsEntropy, SystemClock, mail_from};
use store::Table;
use vault::KmsVault;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let aws = runtime::aws().await;
    let (table, vault, egress) = (Table::from_env(&aws)?, KmsVault::from_env(&aws)?, Egress::from_env()?);
    let sends_mail = mail_from().is_some();
    let handler = |call| handle(&table, &vault, (egress, sends_mail), (&SystemClock, &OsEntropy), call);
    api::serve(ENDPOINT, table.clone(), SystemClock, handler).await
}
