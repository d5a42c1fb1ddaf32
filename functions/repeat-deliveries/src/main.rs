//! Builds the clients once and waits for ticks.

use lambda_runtime::{Error, service_fn, tracing};
use queue::SqsQueue;
use repeat_deliveries::handle;
use runtime::SystemClock;
use store::Table;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let aws = runtime::aws().await;
    let (table, queue) = (Table::from_env(&aws)?, SqsQueue::from_env(&aws)?);
    lambda_runtime::run(service_fn(|event| handle(&table, &queue, &SystemClock, event))).await
}
