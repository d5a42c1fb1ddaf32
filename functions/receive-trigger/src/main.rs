//! Builds the clients once and serves `POST /api/triggers/wh/{token}`.
#![recursion_limit = "256"] // four clients of AWS under one future

use engine::{Engine, WebhookTriggerSecrets};
use receive_trigger::{ENDPOINT, handle};
use runtime::{OsEntropy, SystemClock};
use step_functions::StepFunctions;
use store::RunStore;
use vault::KmsVault;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let aws = runtime::aws().await;
    let runs = RunStore::from_env(&aws)?;
    let table = runs.table.clone();
    let secrets = WebhookTriggerSecrets { triggers: table.clone(), vault: KmsVault::from_env(&aws)?, clock: SystemClock };
    let engine = Engine::new(runs, table, StepFunctions::from_env(&aws)?, SystemClock);
    api::serve_public(ENDPOINT, |call| handle(&engine, &secrets, &OsEntropy, call)).await
}
