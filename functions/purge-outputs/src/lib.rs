//! The worker that deletes outputs whose time is over. The table's stream shows it two kinds of records: those of steps that TTL has
//! deleted, whose objects it deletes and whose receipts it writes, and those of runs that ended after more than a day, whose records it
//! reschedules to expire when the retention says.
//!
//! Records repeat and come late: each time it looks at the run as it is.

use std::collections::BTreeMap;

use batch::{DynamoDbEventResponse, Event, Failures, Position, Record};
use domain::id::RunId;
use domain::ports::{Clock, DeadLetters, Outputs, PortError, Runs};
use domain::step::StepRecord;
use engine::OutputPurge;
use lambda_runtime::{Error, LambdaEvent};

/// What a record of the stream asks for.
#[derive(Debug)]
enum Work {
    /// Delete the objects of a step's record that has expired.
    Expired(Box<StepRecord>),
    /// Reschedule the records of a run that ended late.
    EndedLate(RunId),
}

/// Returns what a record asks for. `None` for records that the filter of the event source mapping should have left out.
fn work(record: &mut Record) -> Result<Option<Work>, PortError> {
    let Position { pk, sk, event_name, .. } = &record.position;
    if event_name == "REMOVE" && record.is_expiry && sk.starts_with("STEP#") {
        let missing = || PortError::Corrupt(format!("{pk} {sk} was deleted, and the stream does not show its last state"));
        let image = record.old_image.take().ok_or_else(missing)?;
        return store::expired_record(image.into()).map(|record| Some(Work::Expired(Box::new(record))));
    }
    let ended_late = record.new_image.as_ref().is_some_and(|image| image.contains_key("lastedDays"));
    if event_name == "MODIFY" && sk == "RUN" && ended_late {
        let run = pk.strip_prefix("RUN#").and_then(|id| id.parse().ok());
        return run.map(|run| Some(Work::EndedLate(run))).ok_or_else(|| PortError::Corrupt(format!("`{pk}` is not the key of a run")));
    }
    Ok(None)
}

/// What a batch asks for in one run.
#[derive(Debug, Default)]
struct Task {
    expired: Vec<StepRecord>,
    ended_late: bool,
    /// The records of the stream that ask for it.
    positions: Vec<Position>,
}

/// Does what a batch asks for, run by run. The response names the records that have to come again; a record that can never be read goes
/// to the dead-letter queue.
pub async fn handle(
    purge: &OutputPurge<impl Runs + Outputs, impl Clock>,
    dead_letters: &impl DeadLetters,
    event: LambdaEvent<Event>,
) -> Result<DynamoDbEventResponse, Error> {
    let mut failures = Failures::new("purge-outputs", dead_letters);
    let mut tasks: BTreeMap<RunId, Task> = BTreeMap::new();
    for mut record in batch::read(event.payload) {
        let task = match work(&mut record) {
            Ok(None) => continue,
            Ok(Some(Work::Expired(receipt))) => {
                let task = tasks.entry(receipt.run).or_default();
                task.expired.push(*receipt);
                task
            }
            Ok(Some(Work::EndedLate(run))) => {
                let task = tasks.entry(run).or_default();
                task.ended_late = true;
                task
            }
            Err(error) => {
                failures.add(&record.position, &error).await;
                continue;
            }
        };
        task.positions.push(record.position);
    }
    for (run, task) in tasks {
        if let Err(error) = carry_out(purge, &run, &task).await {
            for position in &task.positions {
                failures.add(position, &error).await;
            }
        }
    }
    Ok(failures.into_response())
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
mod tests;
