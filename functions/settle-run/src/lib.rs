//! The worker that settles runs whose segment failed for good: EventBridge sends it every such execution.

use engine::{Engine, Ports, SegmentName};
use lambda_runtime::{Error, LambdaEvent};
use serde::Deserialize;
use serde_json::{Value, json};

/// "Step Functions Execution Status Change", as far as it matters here.
#[derive(Debug, Deserialize)]
pub struct Event {
    detail: Detail,
}

#[derive(Debug, Deserialize)]
struct Detail {
    /// The execution's name: `<runId>-<n>`.
    name: String,
    /// `FAILED`, `TIMED_OUT` or `ABORTED`.
    status: String,
    /// The name of the error, e.g. `Lambda.Unknown`; its cause stays in the log.
    #[serde(default)]
    error: Option<String>,
}

/// A run that is still on the failed segment becomes failed; any other is left alone.
pub async fn handle(engine: &Engine<impl Ports>, event: LambdaEvent<Event>) -> Result<Value, Error> {
    let detail = event.payload.detail;
    let name: SegmentName = detail.name.parse()?;
    let error = detail.error.as_deref().unwrap_or("no error was named");
    let cause = format!("the execution that drove the run ended as {} ({error}); the log of advance-run says more", detail.status);
    if let Some(run) = engine.settle(&name.run, name.segment, &cause).await? {
        tracing::error!(run = %run.id, trace = run.trace_id, status = detail.status, error, "a run was settled as failed");
    }
    Ok(json!({}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_names_the_segment_and_how_it_ended() {
        let event: Event = serde_json::from_str(include_str!("../../../events/settle-run/execution-failed.json")).unwrap();
        let name: SegmentName = event.detail.name.parse().unwrap();
        assert_eq!((name.segment, event.detail.status.as_str(), event.detail.error.as_deref()), (1, "FAILED", Some("Lambda.Unknown")));
    }
}
