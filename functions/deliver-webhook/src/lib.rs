//! The worker that signs and sends. The queue gives it the deliveries whose turn it is; it sends them all at once and notes how it
//! went. Those that failed are then owed another attempt, which `repeat-deliveries` finds when it is due.

mod sender;

use domain::ports::{Clock, Deliveries, DeliveryQueue, Vault, WebhookEndpoints, WebhookSender};
use lambda_runtime::{Error, LambdaEvent};
use serde::Deserialize;
use serde_json::{Value, json};
use webhooks::Deliverer;

pub use sender::GuardedWebhookSender;

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
    body: String,
}

/// Delivers a batch; the queue keeps what is reported as failed.
pub async fn handle<W: WebhookEndpoints + Deliveries, Q: DeliveryQueue, V: Vault, C: WebhookSender>(
    deliverer: &Deliverer<W, Q, V, C>,
    clock: &impl Clock,
    event: LambdaEvent<Event>,
) -> Result<Value, Error> {
    let (ids, batch): (Vec<String>, Vec<String>) = event.payload.records.into_iter().map(|record| (record.message_id, record.body)).unzip();
    let done = deliverer.deliver(&batch, clock).await;
    let kept = ids.into_iter().zip(done).filter(|(_, is_done)| !is_done);
    let failures: Vec<Value> = kept.map(|(id, _)| json!({"itemIdentifier": id})).collect();
    Ok(json!({"batchItemFailures": failures}))
}
