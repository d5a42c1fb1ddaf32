//! One attempt of one node: sends its request, and records the result before anything else sees it.

use std::sync::Arc;

use domain::flow::{Node, NodeIx};
use domain::json::sha256_hex;
use domain::ports::{CallContext, Clock, CoveredService, Effect, EffectError, Effects, PortError, Runs};
use domain::request::Request;
use domain::run::{Exit, NodeState, NodeStatus, Run};
use domain::step::{MAX_OUTPUT_BYTES, Payload, ResponseHead, StepRecord, idempotency_key};
use domain::time::Time;
use serde_json::Value;

use crate::run_context::RecordedStep;
use crate::{Engine, Ports};

/// The longest wait that the `Retry-After` of an answer can ask for, in seconds: a week.
const MAX_RETRY_AFTER_SECONDS: u64 = 7 * 24 * 3600;

/// The maximum size of a step's error text, in bytes.
const MAX_ERROR_BYTES: usize = 4_000;

/// How an attempt ended.
#[derive(Debug)]
pub(crate) enum NodeAttempt {
    /// The step is done and on record.
    Done(Box<RecordedStep>),
    /// Another attempt is due at this time.
    RetryAt(Time),
}

/// The result of a step, before it is recorded.
pub(crate) struct StepResult {
    pub(crate) input: Value,
    pub(crate) output: Result<(Value, Exit), String>,
    pub(crate) answer: Option<ResponseHead>,
}

impl StepResult {
    /// Returns the record of a step with this result. `run` is the run in which the attempt was recorded as begun. An output that is
    /// larger than the limit makes the step fail.
    pub(crate) fn into_record(self, run: &Run, ix: NodeIx, node: &Node, now: Time) -> StepRecord {
        let state = run.progress.get(ix);
        let (output, exit, error) = match self.output {
            Ok((value, exit)) => match Payload::of(value) {
                output if output.bytes() > MAX_OUTPUT_BYTES => {
                    let bytes = output.bytes();
                    (None, Exit::Normal, Some(format!("the output has {bytes} bytes; a step may put out at most {MAX_OUTPUT_BYTES}")))
                }
                output => (Some(output), exit, None),
            },
            Err(message) => (None, Exit::Normal, Some(bounded(message))),
        };
        StepRecord {
            run: run.id,
            node: node.id.clone(),
            round: run.round_of(&node.id),
            kind: node.kind.name().to_owned(),
            status: if error.is_some() { NodeStatus::Failed } else { NodeStatus::Succeeded },
            exit,
            input: Some(self.input).filter(|input| !input.is_null()).map(Payload::of),
            output,
            answer: self.answer,
            error,
            attempts: state.attempts.max(1),
            started_at: state.started_at.unwrap_or(now),
            completed_at: now,
            reused_from: None,
            purged: None,
        }
    }
}

impl<P: Ports> Engine<P> {
    /// Sends a node's request, once. `run` is the run in which this attempt was recorded as begun, `covered` are the destinations that the
    /// approvals before the node cover; `jitter` is from 0 to 1.
    #[expect(clippy::too_many_arguments, reason = "each is a different part of one attempt")]
    pub(crate) async fn attempt(
        &self,
        effects: &impl Effects,
        run: &Run,
        ix: NodeIx,
        node: &Node,
        request: Request,
        covered: Vec<CoveredService>,
        jitter: f64,
    ) -> Result<NodeAttempt, PortError> {
        let state = run.progress.get(ix);
        let input = request.as_input();
        let context = CallContext {
            covered,
            org: run.org,
            trace_id: run.trace_id.clone(),
            idempotency_key: idempotency_key(&run.root(), &run.step_key(&node.id), &sha256_hex(&input)),
            timeout_seconds: node.timeout_seconds,
        };
        let (output, answer) = match effects.perform(&context, &request).await {
            Ok(Effect { output, answer }) => (Ok((output, Exit::Normal)), answer),
            Err(error) => match self.next_attempt(node, &error, state, jitter) {
                Some(due) => return Ok(NodeAttempt::RetryAt(due)),
                None => (Err(error.message), error.answer),
            },
        };
        let record = StepResult { input, output, answer }.into_record(run, ix, node, self.clock.now());
        Ok(NodeAttempt::Done(Box::new(self.record(run, record).await?)))
    }

    fn next_attempt(&self, node: &Node, error: &EffectError, state: NodeState, jitter: f64) -> Option<Time> {
        let delay = node.retry.delay_millis(state.attempts, jitter).filter(|_| error.retryable)?;
        let asked = error.retry_after_seconds.unwrap_or(0).min(MAX_RETRY_AFTER_SECONDS) * 1000;
        Some(self.clock.now().plus_millis(delay.max(asked)))
    }

    /// Records a step. If there is a record already, that one counts and is returned: another invocation has done this step before. Our
    /// own output is used only if it has the hash of the recorded one.
    pub(crate) async fn record(&self, run: &Run, record: StepRecord) -> Result<RecordedStep, PortError> {
        let ours = record.output.clone();
        let record = self.runs.record(run, record).await?;
        let output = match (&record.output, ours) {
            (Some(Payload::Inline(recorded)), _) => Some(Arc::clone(recorded)),
            (Some(Payload::Stored(object)), Some(ours)) if ours.sha256() == object.sha256 => ours.value().map(Arc::clone),
            _ => None,
        };
        Ok(RecordedStep { record, output })
    }
}

/// Returns a message that is short enough to be stored: one that quotes a value may be as long as the value.
fn bounded(mut message: String) -> String {
    if message.len() > MAX_ERROR_BYTES {
        message.truncate(message.floor_char_boundary(MAX_ERROR_BYTES));
        message.push('…');
    }
    message
}

#[cfg(test)]
mod tests {
    use domain::flow::Spec;
    use serde_json::json;
    use testkit::build::{Maker, at, chain};
    use testkit::{Faults, ManualClock, Memory, RecordedExecutions, block_on};

    use super::*;

    #[test]
    fn a_large_output_that_lost_against_another_record_is_not_used() {
        let (store, clock) = (Memory::new(Faults::none()), ManualClock::at(at(0)));
        let executions = RecordedExecutions::new(Faults::none());
        let engine = Engine::new(store.clone(), store, executions, clock.clone());
        let (maker, spec) = (Maker::new(1), Spec::parse(&chain(1)).unwrap());
        let (flow, _) = maker.flow(maker.org(), "flow", chain(1), at(0));
        let run = maker.run(flow.org, flow.id, &chain(1), at(0));
        let record = |letter: &str| {
            let output = Ok((json!(letter.repeat(200 * 1024)), Exit::Normal));
            let result = StepResult { input: Value::Null, output, answer: None };
            block_on(&clock, engine.record(&run, result.into_record(&run, spec.start(), spec.node(spec.start()), at(1)))).unwrap()
        };
        let first = record("a");
        assert!(first.output.is_some(), "our own bytes need not be fetched");
        let second = record("b");
        assert_eq!(second.record.output, first.record.output);
        assert!(second.output.is_none(), "the bytes of the other record are not these");
    }
}
