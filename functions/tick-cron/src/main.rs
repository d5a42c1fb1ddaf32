//! Builds the clients once and starts what is due.

use engine::Scheduler;
use lambda_runtime::{Error, service_fn, tracing};
use runtime::{OsEntropy, SystemClock};
use step_functions::StepFunctions;
use store::Table;
use tick_cron::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let aws = runtime::aws().await;
    let table = Table::from_env(&aws)?;
    let scheduler = Scheduler { table, executions: StepFunctions::from_env(&aws)?, clock: SystemClock };
    lambda_runtime::run(service_fn(|event| handle(&scheduler, &OsEntropy, event))).await
}
