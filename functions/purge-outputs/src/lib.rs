//! The worker that outputs leave by. The table's stream shows it the records of steps that TTL has deleted, whose objects go and
//! whose receipts stay, and the runs that ended after more than a day, whose records are to expire when they were promised to.
//!
//! Deliveries repeat and come late: each looks at the run as it is.

use std::collections::BTreeMap;

use domain::id::RunId;
use domain::ports::{Clock, Outputs, PortError, Runs};
use domain::step::StepRecord;
use engine::OutputPurge;
use lambda_runtime::{Error, LambdaEvent};
use serde::Deserialize;
use serde_dynamo::Item;
use serde_json::{Value, json};

/// Who deletes what has expired.
const TTL: &str = "dynamodb.amazonaws.com";

/// A batch of the table's stream, as far as it matters here.
#[derive(Debug, Deserialize)]
pub struct Event {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_name: String,
    #[serde(default)]
    user_identity: Option<Identity>,
    dynamodb: Change,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    principal_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
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

/// What a record of the stream is about.
#[derive(Debug)]
enum Wanted {
    Expired(Box<StepRecord>),
    EndedLate(RunId),
}

impl Record {
    /// What there is to do; nothing for what the filter of the event source mapping should have kept away.
    fn read(&mut self) -> Result<Option<Wanted>, PortError> {
        let by_ttl = self.user_identity.as_ref().and_then(|identity| identity.principal_id.as_deref()) == Some(TTL);
        let (pk, sk) = (&self.dynamodb.keys.pk.text, &self.dynamodb.keys.sk.text);
        if self.event_name == "REMOVE" && by_ttl && sk.starts_with("STEP#") {
            let missing = || PortError::Corrupt(format!("{pk} {sk} was deleted, and the stream does not show what it was"));
            let image = self.dynamodb.old_image.take().ok_or_else(missing)?;
            return store::expired_record(image.into()).map(|record| Some(Wanted::Expired(Box::new(record))));
        }
        let ended_late = self.dynamodb.new_image.as_ref().is_some_and(|image| image.contains_key("lastedDays"));
        if self.event_name == "MODIFY" && sk == "RUN" && ended_late {
            let run = pk.strip_prefix("RUN#").and_then(|id| id.parse().ok());
            return run.map(|run| Some(Wanted::EndedLate(run))).ok_or_else(|| PortError::Corrupt(format!("`{pk}` is no key of a run")));
        }
        Ok(None)
    }
}

/// What a batch asks of one run.
#[derive(Debug, Default)]
struct Task {
    expired: Vec<StepRecord>,
    ended_late: bool,
    /// The sequence numbers of its records: what is reported if it fails.
    numbers: Vec<String>,
}

/// Does what a batch asks for, run by run; what failed is delivered again.
pub async fn handle(purge: &OutputPurge<impl Runs + Outputs, impl Clock>, event: LambdaEvent<Event>) -> Result<Value, Error> {
    let mut failed = Vec::new();
    let mut tasks: BTreeMap<RunId, Task> = BTreeMap::new();
    for mut record in event.payload.records {
        let number = record.dynamodb.sequence_number.clone();
        match record.read() {
            Ok(None) => {}
            Ok(Some(Wanted::Expired(receipt))) => {
                let task = tasks.entry(receipt.run).or_default();
                task.expired.push(*receipt);
                task.numbers.push(number);
            }
            Ok(Some(Wanted::EndedLate(run))) => {
                let task = tasks.entry(run).or_default();
                task.ended_late = true;
                task.numbers.push(number);
            }
            Err(error) => {
                tracing::error!(key = record.dynamodb.keys.pk.text, %error, "a record of the stream cannot be read");
                failed.push(number);
            }
        }
    }
    for (run, task) in tasks {
        if let Err(error) = carry_out(purge, &run, &task).await {
            tracing::error!(%run, %error, "outputs were not purged or rescheduled; the stream delivers this again");
            failed.extend(task.numbers);
        }
    }
    let failures: Vec<Value> = failed.into_iter().map(|number| json!({"itemIdentifier": number})).collect();
    Ok(json!({"batchItemFailures": failures}))
}

async fn carry_out(purge: &OutputPurge<impl Runs + Outputs, impl Clock>, run: &RunId, task: &Task) -> Result<(), PortError> {
    if task.ended_late {
        purge.reschedule(run).await?;
    }
    if task.expired.is_empty() {
        return Ok(());
    }
    tracing::info!(%run, steps = task.expired.len(), "outputs expired");
    purge.complete_expiry(run, &task.expired).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sample: &str, change: impl FnOnce(&mut Value)) -> Option<Wanted> {
        let mut sample: Value = serde_json::from_str(sample).unwrap();
        change(&mut sample["Records"][0]);
        let mut event: Event = serde_json::from_value(sample).unwrap();
        event.records[0].read().unwrap()
    }

    const EXPIRED: &str = include_str!("../../../events/purge-outputs/a-step-expired.json");
    const LATE: &str = include_str!("../../../events/purge-outputs/a-run-ended-after-four-days.json");

    #[test]
    fn a_record_that_ttl_deleted_becomes_its_receipt() {
        let Some(Wanted::Expired(receipt)) = read(EXPIRED, |_| {}) else { panic!("nothing was wanted") };
        let purged = receipt.purged.unwrap();
        assert_eq!((purged.at.to_string(), receipt.node.as_str()), ("2027-05-24T00:22:29.000Z".to_owned(), "draft"));
        assert_eq!(purged.output.map(|gone| (gone.bytes, gone.stored)), Some((204_811, true)));
        assert!(receipt.output.is_none() && receipt.input.is_none());
    }

    #[test]
    fn a_run_that_ended_late_is_named() {
        let Some(Wanted::EndedLate(run)) = read(LATE, |_| {}) else { panic!("nothing was wanted") };
        assert_eq!(run.to_string(), "run_01M85EXE14SECWM1TBH3987TR1");
    }

    #[test]
    fn everything_else_is_passed_over() {
        let by_hand = |record: &mut Value| record["userIdentity"] = Value::Null;
        assert!(read(EXPIRED, by_hand).is_none(), "deleted by somebody else");
        assert!(read(EXPIRED, |record| record["dynamodb"]["Keys"]["sk"]["S"] = "IDEMPOTENCY".into()).is_none());
        let in_time = |record: &mut Value| _ = record["dynamodb"]["NewImage"].as_object_mut().unwrap().remove("lastedDays");
        assert!(read(LATE, in_time).is_none());
    }
}
