//! What of a batch failed, and what becomes of it.

use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use domain::ports::{DeadLetters, PortError};
use serde::Serialize;

use crate::Position;

/// What the dead-letter queue receives of a record that can never be processed. The record itself is not in it: an item may have
/// 400 KB and hold what no operator should read. The stream has the record for 24 hours, by its sequence number.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter<'a> {
    /// The worker that could not process the record.
    pub worker: &'static str,
    /// Which record it is.
    #[serde(flatten)]
    pub position: &'a Position,
    /// Why it cannot be processed.
    pub reason: String,
}

/// Collects the failures of a batch.
#[derive(Debug)]
pub struct Failures<'a, D> {
    worker: &'static str,
    dead_letters: &'a D,
    response: DynamoDbEventResponse,
}

impl<'a, D: DeadLetters> Failures<'a, D> {
    /// Returns a collection without failures, of a batch that `worker` processes.
    pub fn new(worker: &'static str, dead_letters: &'a D) -> Self {
        Self { worker, dead_letters, response: DynamoDbEventResponse::default() }
    }

    /// Adds the failure of a record. A permanent failure is sent to the dead-letter queue; if that fails, or if the failure may pass,
    /// the record is reported and comes again.
    pub async fn add(&mut self, position: &Position, error: &PortError) {
        let Position { pk, sk, sequence_number, .. } = position;
        if error.is_permanent() {
            match self.dead_letters.put(&self.letter(position, error)).await {
                Ok(()) => {
                    tracing::error!(pk, sk, sequence_number, %error, "a record of the stream cannot be processed; it is in the dead-letter queue");
                    return;
                }
                Err(unsent) => {
                    tracing::error!(pk, sk, sequence_number, %error, %unsent, "a dead letter was not sent; the stream delivers its record again");
                }
            }
        } else {
            tracing::error!(pk, sk, sequence_number, %error, "a record of the stream was not processed; the stream delivers it again");
        }
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = Some(sequence_number.clone());
        self.response.batch_item_failures.push(failure);
    }

    fn letter(&self, position: &Position, error: &PortError) -> String {
        let letter = DeadLetter { worker: self.worker, position, reason: error.to_string() };
        // Texts always serialize.
        serde_json::to_string(&letter).unwrap_or_default()
    }

    /// Returns the response for Lambda: the sequence numbers of the records that have to come again.
    pub fn into_response(self) -> DynamoDbEventResponse {
        self.response
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testkit::{Fate, Faults, ManualClock, MemoryDeadLetters, block_on};

    use super::*;

    fn position(number: &str) -> Position {
        Position {
            pk: "RUN#run_1".to_owned(),
            sk: "RUN".to_owned(),
            event_name: "MODIFY".to_owned(),
            sequence_number: number.to_owned(),
            event_id: "e1".to_owned(),
        }
    }

    /// Adds failures; returns the reported sequence numbers and the dead letters.
    fn added(faults: Faults, errors: &[(&str, PortError)]) -> (serde_json::Value, Vec<serde_json::Value>) {
        let dead_letters = MemoryDeadLetters::new(faults);
        let mut failures = Failures::new("publish-events", &dead_letters);
        block_on(&ManualClock::at(testkit::build::at(0)), async {
            for (number, error) in errors {
                failures.add(&position(number), error).await;
            }
        });
        let letters = dead_letters.all().iter().map(|letter| serde_json::from_str(letter).unwrap()).collect();
        (serde_json::to_value(failures.into_response()).unwrap(), letters)
    }

    #[test]
    fn a_failure_that_may_pass_is_reported_and_a_permanent_one_becomes_a_dead_letter() {
        let unavailable = PortError::Unavailable("no answer".to_owned());
        let corrupt = PortError::Corrupt("the status is unknown".to_owned());
        let (response, letters) = added(Faults::none(), &[("1", corrupt), ("2", unavailable)]);
        assert_eq!(response, json!({"batchItemFailures": [{"itemIdentifier": "2"}]}));
        let expected = json!({
            "worker": "publish-events", "pk": "RUN#run_1", "sk": "RUN", "eventName": "MODIFY", "sequenceNumber": "1", "eventId": "e1",
            "reason": "stored data cannot be read: the status is unknown",
        });
        assert_eq!(letters, [expected]);
    }

    #[test]
    fn a_permanent_failure_whose_dead_letter_is_not_sent_is_reported() {
        let faults = Faults::none();
        faults.strike_call("put_dead_letter", 1, Fate::FailBefore);
        let (response, letters) = added(faults, &[("1", PortError::Rejected("too large".to_owned()))]);
        assert_eq!((response, letters.len()), (json!({"batchItemFailures": [{"itemIdentifier": "1"}]}), 0));
    }
}
