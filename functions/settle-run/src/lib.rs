//! The worker that settles runs whose execution failed for good: EventBridge sends it the end of every such execution.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use engine::{Engine, Ports, SegmentName};
use lambda_runtime::{Error, LambdaEvent};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The detail of an event "Step Functions Execution Status Change", as far as it matters here.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExecutionEnded {
    /// The name of the execution: `<runId>-<n>`.
    name: String,
    /// `FAILED`, `TIMED_OUT` or `ABORTED`.
    status: String,
    /// The name of the error, for example `Lambda.Unknown`. For an error that a function returned it is the name of a Rust type, so it
    /// is for the log and not for the run.
    #[serde(default)]
    error: Option<String>,
}

impl ExecutionEnded {
    /// Returns what is written into the error of the run. Of the error's name only what AWS defines is said, in plain words.
    fn cause(&self) -> String {
        let why = match self.error.as_deref() {
            Some("States.Timeout" | "Sandbox.Timedout") => "an invocation took too long, several times",
            Some("Runtime.OutOfMemory") => "an invocation ran out of memory, several times",
            _ => "an internal error did not pass",
        };
        let status = &self.status;
        match status.as_str() {
            "ABORTED" => format!("the execution that drove the run ended as {status}: it was stopped from outside"),
            "TIMED_OUT" => format!("the execution that drove the run ended as {status}: it took too long"),
            _ => format!("the execution that drove the run ended as {status}: {why}; the log of advance-run has the details"),
        }
    }
}

/// Settles the run if it is still on the segment of the execution that ended, and leaves it alone otherwise.
pub async fn handle(engine: &Engine<impl Ports>, event: LambdaEvent<EventBridgeEvent<ExecutionEnded>>) -> Result<Value, Error> {
    let ended = event.payload.detail;
    let name: SegmentName = ended.name.parse()?;
    let settled = match ended.status.as_str() {
        "ABORTED" => engine.settle_stopped(&name.run, name.segment, &ended.cause()).await,
        _ => engine.settle(&name.run, name.segment, &ended.cause()).await,
    };
    if let Some(run) = settled? {
        let error = ended.error.as_deref().unwrap_or("none was named");
        tracing::error!(run = %run.id, trace = run.trace_id, status = ended.status, error, "a run was settled as failed");
    }
    Ok(json!({}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> EventBridgeEvent<ExecutionEnded> {
        serde_json::from_str(include_str!("../../../events/settle-run/execution-failed.json")).unwrap()
    }

    #[test]
    fn the_event_names_the_segment_and_how_it_ended() {
        let detail = event().detail;
        let name: SegmentName = detail.name.parse().unwrap();
        assert_eq!((name.segment, detail.status.as_str(), detail.error.as_deref()), (1, "FAILED", Some("Lambda.Unknown")));
    }

    /// The name of the error of a function that failed is the name of a Rust type.
    #[test]
    fn the_error_of_a_run_names_nothing_of_the_inside() {
        for status in ["FAILED", "TIMED_OUT", "ABORTED"] {
            for error in
                [Some("&alloc::boxed::Box<dyn core::error::Error + Send + Sync>"), Some("Lambda.Unknown"), Some("States.Timeout"), None]
            {
                let ended = ExecutionEnded { name: String::new(), status: status.to_owned(), error: error.map(str::to_owned) };
                assert!(ended.cause().starts_with(&format!("the execution that drove the run ended as {status}: ")));
                assert!(error.is_none_or(|error| !ended.cause().contains(error)), "{error:?}");
            }
        }
    }
}
