//! Builds the clients once and reads the table's stream.

use engine::OutputPurge;
use lambda_runtime::{Error, service_fn, tracing};
use purge_outputs::handle;
use runtime::SystemClock;
use store::RunStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let runs = RunStore::from_env(&runtime::aws().await)?;
    let purge = OutputPurge { runs, clock: SystemClock };
    lambda_runtime::run(service_fn(|event| handle(&purge, event))).await
}
