//! Builds the clients once and serves `POST /api/webhooks/{id}/deliveries/{deliveryId}/redeliver`.

use queue::SqsQueue;
use redeliver_event::{ENDPOINT, handle};
use runtime::SystemClock;
use store::Table;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let aws = runtime::aws().await;
    let (table, queue) = (Table::from_env(&aws)?, SqsQueue::from_env(&aws)?);
    api::serve(ENDPOINT, table.clone(), SystemClock, |call| handle(&table, &queue, &SystemClock, call)).await
}
