//! Builds the clients once and reads the table's stream.

use lambda_runtime::{Error, service_fn, tracing};
use publish_events::handle;
use queue::{DeadLetterQueue, SqsQueue};
use runtime::SystemClock;
use store::RunStore;
use webhooks::Publisher;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let aws = runtime::aws().await;
    let runs = RunStore::from_env(&aws)?;
    let table = runs.table.clone();
    let publisher = Publisher { runs, flows: table.clone(), webhooks: table, queue: SqsQueue::from_env(&aws)? };
    let dead_letters = DeadLetterQueue::from_env(&aws)?;
    lambda_runtime::run(service_fn(|event| handle(&publisher, &dead_letters, &SystemClock, event))).await
}
