//! The worker that tells of what happened. The table's stream shows it runs that began, ended or started a generation, approvals that
//! opened, and steps that are an event; for each endpoint that wants to hear of it a message goes into the queue of deliveries.
//!
//! Batches repeat, whole and in part: ids follow from what happened, so nothing becomes two events.

use domain::ports::{Clock, Deliveries, DeliveryQueue, Flows, PortError, Runs, WebhookEndpoints};
use domain::webhook::StreamChange;
use lambda_runtime::{Error, LambdaEvent};
use serde::Deserialize;
use serde_dynamo::Item;
use serde_json::{Value, json};
use webhooks::Publisher;

/// A batch of the table's stream, as far as it matters here.
#[derive(Debug, Deserialize)]
pub struct Event {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
struct Record {
    dynamodb: Written,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Written {
    keys: Key,
    sequence_number: String,
    #[serde(default)]
    old_image: Option<Item>,
    #[serde(default)]
    new_image: Option<Item>,
}

#[derive(Debug, Deserialize)]
struct Key {
    pk: Text,
    sk: Text,
}

#[derive(Debug, Deserialize)]
struct Text {
    #[serde(rename = "S")]
    text: String,
}

impl Written {
    /// What it is about; nothing for what the filter of the event source mapping should have kept away.
    fn read(&mut self) -> Result<Option<StreamChange>, PortError> {
        if !self.keys.pk.text.starts_with("RUN#") {
            return Ok(None);
        }
        store::change(&self.keys.sk.text, self.old_image.take().map(Into::into), self.new_image.take().map(Into::into))
    }
}

/// Tells of a batch; what failed is delivered again. The stream goes on from the first record that failed.
pub async fn handle<R: Runs, F: Flows, W: WebhookEndpoints + Deliveries, Q: DeliveryQueue>(
    publisher: &Publisher<R, F, W, Q>,
    clock: &impl Clock,
    event: LambdaEvent<Event>,
) -> Result<Value, Error> {
    let (mut failed, mut numbers, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    for mut record in event.payload.records {
        match record.dynamodb.read() {
            Ok(None) => {}
            Ok(Some(change)) => {
                numbers.push(record.dynamodb.sequence_number);
                changes.push(change);
            }
            Err(error) => {
                tracing::error!(key = record.dynamodb.keys.pk.text, %error, "a record of the stream cannot be read");
                failed.push(record.dynamodb.sequence_number);
            }
        }
    }
    let outcomes = publisher.publish(&changes, clock).await;
    for (number, outcome) in numbers.into_iter().zip(outcomes) {
        if let Err(error) = outcome {
            tracing::error!(number, %error, "an event was not published; the stream delivers it again");
            failed.push(number);
        }
    }
    let failures: Vec<Value> = failed.into_iter().map(|number| json!({"itemIdentifier": number})).collect();
    Ok(json!({"batchItemFailures": failures}))
}
