//! Builds the clients once and serves `POST /api/flows`.

use create_flow::{ENDPOINT, handle};
use domain::flow::KnownModels;
use engine::{FlowEditor, WebhookTriggerSecrets};
use runtime::{OsEntropy, SystemClock};
use store::Table;
use vault::KmsVault;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let aws = runtime::aws().await;
    let table = Table::from_env(&aws)?;
    let secrets = WebhookTriggerSecrets { triggers: table.clone(), vault: KmsVault::from_env(&aws)?, clock: SystemClock };
    let models: KnownModels = runtime::optional_setting("LLM_MODELS")?;
    let editor = FlowEditor { flows: table.clone(), secrets };
    api::serve(ENDPOINT, table, SystemClock, |call| handle(&editor, &models, &OsEntropy, call)).await
}
