//! The worker that reads what happened from the table's stream: runs that began, ended or started a generation, approvals that were
//! opened, decided or changed, and records of steps that are an event. It adds decisions to the history, and queues a delivery for each
//! endpoint that subscribes to an event.
//!
//! Batches repeat, whole or in part: the ids follow from what happened, so nothing becomes two events.

use batch::{DynamoDbEventResponse, Event, Failures, Record};
use domain::ports::{Clock, DeadLetters, Decisions, Deliveries, DeliveryQueue, Flows, PortError, Runs, WebhookEndpoints};
use domain::webhook::StreamChange;
use engine::DecisionHistory;
use lambda_runtime::{Error, LambdaEvent};
use webhooks::Publisher;

/// Publishes the events and lists the decisions of a batch. The response names the records that have to come again; a record that can never be read goes to the
/// dead-letter queue.
pub async fn handle<R: Runs, F: Flows, W: WebhookEndpoints + Deliveries, Q: DeliveryQueue>(
    publisher: &Publisher<R, F, W, Q>,
    history: &DecisionHistory<impl Runs, impl Decisions>,
    dead_letters: &impl DeadLetters,
    clock: &impl Clock,
    event: LambdaEvent<Event>,
) -> Result<DynamoDbEventResponse, Error> {
    let mut failures = Failures::new("publish-events", dead_letters);
    let (mut positions, mut changes) = (Vec::new(), Vec::new());
    for mut record in batch::read(event.payload) {
        match change(&mut record) {
            Ok(None) => {}
            Ok(Some(change)) => {
                positions.push(record.position);
                changes.push(change);
            }
            Err(error) => failures.add(&record.position, &error).await,
        }
    }
    let added = history.add(&changes).await;
    let published = publisher.publish(&changes, clock).await;
    for ((position, added), published) in positions.iter().zip(added).zip(published) {
        // Both may be done again. What may pass comes before what is permanent, so that nothing is given up too early.
        let error = match (added.err(), published.err()) {
            (Some(one), Some(other)) => Some(if one.is_permanent() { other } else { one }),
            (one, other) => one.or(other),
        };
        if let Some(error) = error {
            failures.add(position, &error).await;
        }
    }
    Ok(failures.into_response())
}

/// Returns the change that a record shows. `None` for records that the filter of the event source mapping should have left out.
fn change(record: &mut Record) -> Result<Option<StreamChange>, PortError> {
    if !record.position.pk.starts_with("RUN#") {
        return Ok(None);
    }
    store::change(&record.position.sk, record.old_image.take().map(Into::into), record.new_image.take().map(Into::into))
}
