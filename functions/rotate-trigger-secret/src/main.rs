//! Builds the clients once and serves `POST /api/flows/{id}/rotate-webhook-secret`.

use engine::{FlowEditor, WebhookTriggerSecrets};
use rotate_trigger_secret::{ENDPOINT, handle};
use runtime::{OsEntropy, SystemClock};
use store::Table;
use vault::KmsVault;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let aws = runtime::aws().await;
    let table = Table::from_env(&aws)?;
    let secrets = WebhookTriggerSecrets { triggers: table.clone(), vault: KmsVault::from_env(&aws)?, clock: SystemClock };
    let editor = FlowEditor { flows: table.clone(), secrets };
    api::serve(ENDPOINT, table, SystemClock, |call| handle(&editor, &OsEntropy, call)).await
}
