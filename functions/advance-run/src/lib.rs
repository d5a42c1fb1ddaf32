//! The worker that drives runs: Step Functions invokes it at the head of every segment.

use domain::ports::{Effects, Entropy};
use domain::time::Time;
use engine::{Engine, Invocation, Ports, SegmentName};
use lambda_runtime::{Error, LambdaEvent};
use serde::Deserialize;
use serde_json::{Value, json};

/// What the Advance state sends.
#[derive(Debug, Deserialize)]
pub struct Event {
    /// The execution's name: `<runId>-<n>`.
    pub execution: String,
}

/// Drives the run until it ends, waits, or the time is up. An error makes the state retry.
pub async fn handle(
    engine: &Engine<impl Ports>,
    effects: &impl Effects,
    entropy: &impl Entropy,
    event: LambdaEvent<Event>,
) -> Result<Value, Error> {
    let name: SegmentName = event.payload.execution.parse()?;
    let invocation = Invocation {
        run: name.run,
        segment: name.segment,
        owner: event.context.request_id,
        deadline: Time::from_millis(event.context.deadline),
    };
    engine.advance(effects, entropy, &invocation).await?;
    Ok(json!({}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_names_the_segment() {
        let event: Event = serde_json::from_str(include_str!("../../../events/advance-run/first-segment.json")).unwrap();
        assert_eq!(event.execution.parse::<SegmentName>().unwrap().segment, 1);
    }
}
