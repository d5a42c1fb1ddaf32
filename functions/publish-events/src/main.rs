//! Builds the clients once and reads the table's stream.

use engine::DecisionHistory;
use lambda_runtime::{Error, service_fn, tracing};
use publish_events::handle;
use queue::{DeadLetterQueue, SqsQueue};
use runtime::{SystemClock, setting};
use store::RunStore;
use webhooks::Publisher;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let aws = runtime::aws().await;
    let runs = RunStore::from_env(&aws)?;
    let table = runs.table.clone();
    let history = DecisionHistory { runs: runs.clone(), decisions: table.clone() };
    let publisher =
        Publisher { runs, flows: table.clone(), webhooks: table, queue: SqsQueue::from_env(&aws)?, console: setting("CONSOLE_URL").ok() };
    let dead_letters = DeadLetterQueue::from_env(&aws)?;
    lambda_runtime::run(service_fn(|event| handle(&publisher, &history, &dead_letters, &SystemClock, event))).await
}
