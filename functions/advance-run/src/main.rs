//! Builds the clients once and drives runs.

use advance_run::handle;
use engine::Engine;
use lambda_runtime::{Error, service_fn, tracing};
use nodes::{NodeEffects, Settings};
use runtime::{OsEntropy, SystemClock};
use step_functions::StepFunctions;
use store::RunStore;
use vault::KmsVault;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let aws = runtime::aws().await;
    let runs = RunStore::from_env(&aws)?;
    let table = runs.table.clone();
    let effects = NodeEffects::new(Settings::from_env()?, table.clone(), KmsVault::from_env(&aws)?, &aws)?;
    let engine = Engine::new(runs, table, StepFunctions::from_env(&aws)?, SystemClock);
    let advance = |event| {
        effects.begin_invocation();
        handle(&engine, &effects, &OsEntropy, event)
    };
    lambda_runtime::run(service_fn(advance)).await
}
