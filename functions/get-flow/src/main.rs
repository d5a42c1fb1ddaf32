//! Builds the clients once and serves `GET /api/flows/{id}`.

use engine::{FlowEditor, WebhookTriggerSecrets};
use get_flow::{ENDPOINT, handle};
use runtime::SystemClock;
use store::Table;
use vault::KmsVault;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let aws = runtime::aws().await;
    let table = Table::from_env(&aws)?;
    let secrets = WebhookTriggerSecrets { triggers: table.clone(), vault: KmsVault::from_env(&aws)?, clock: SystemClock };
    let editor = FlowEditor { flows: table.clone(), secrets };
    api::serve(ENDPOINT, table, SystemClock, |call| handle(&editor, call)).await
}
