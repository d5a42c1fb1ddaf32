//! Builds the clients once and reads the table's stream.

use engine::OutputPurge;
use lambda_runtime::{Error, service_fn, tracing};
use purge_outputs::handle;
use queue::DeadLetterQueue;
use runtime::SystemClock;
use store::RunStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let aws = runtime::aws().await;
    let purge = OutputPurge { runs: RunStore::from_env(&aws)?, clock: SystemClock };
    let dead_letters = DeadLetterQueue::from_env(&aws)?;
    lambda_runtime::run(service_fn(|event| handle(&purge, &dead_letters, event))).await
}
