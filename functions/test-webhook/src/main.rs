//! Builds the clients once and serves `POST /api/webhooks/{id}/test`.

use queue::SqsQueue;
use runtime::{OsEntropy, SystemClock};
use store::Table;
use test_webhook::{ENDPOINT, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let aws = runtime::aws().await;
    let (table, queue) = (Table::from_env(&aws)?, SqsQueue::from_env(&aws)?);
    api::serve(ENDPOINT, table.clone(), SystemClock, |call| handle(&table, &queue, &SystemClock, &OsEntropy, call)).await
}
