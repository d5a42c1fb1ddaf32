//! The worker that signs and sends. The queue gives it the deliveries whose turn it is; it sends them all at once, notes how it went,
//! and lets those that failed come again later.

mod courier;

use domain::ports::{Clock, Courier, Deliveries, DeliveryQueue, Vault, WebhookEndpoints};
use lambda_runtime::{Error, LambdaEvent};
use serde::Deserialize;
use serde_json::{Value, json};
use webhooks::{Deliverer, Received};

pub use courier::GuardedCourier;

/// A batch of the queue, as far as it matters here.
#[derive(Debug, Deserialize)]
pub struct Event {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    message_id: String,
    receipt_handle: String,
    body: String,
}

/// Delivers a batch; the queue keeps what is reported as failed.
pub async fn handle<W: WebhookEndpoints + Deliveries, Q: DeliveryQueue, V: Vault, C: Courier>(
    deliverer: &Deliverer<W, Q, V, C>,
    clock: &impl Clock,
    event: LambdaEvent<Event>,
) -> Result<Value, Error> {
    let (ids, batch): (Vec<String>, Vec<Received>) = event
        .payload
        .records
        .into_iter()
        .map(|record| (record.message_id, Received { handle: record.receipt_handle, body: record.body }))
        .unzip();
    let done = deliverer.deliver(&batch, clock).await;
    let kept = ids.into_iter().zip(done).filter(|(_, is_done)| !is_done);
    let failures: Vec<Value> = kept.map(|(id, _)| json!({"itemIdentifier": id})).collect();
    Ok(json!({"batchItemFailures": failures}))
}
