//! One attempt of one node: send, and keep what came back before anybody hears of it.

use std::sync::Arc;

use domain::flow::{Node, NodeIx};
use domain::json::sha256_hex;
use domain::ports::{CallContext, Clock, Effect, EffectError, Effects, PortError, Runs};
use domain::request::Request;
use domain::run::{Exit, NodeState, NodeStatus, Run};
use domain::step::{MAX_OUTPUT_BYTES, Payload, ResponseHead, StepRecord, idempotency_key};
use domain::time::Time;
use serde_json::Value;

use crate::{Engine, Ports};

/// The longest wait that an answer's `Retry-After` can ask for: a week.
const MAX_RETRY_AFTER_SECONDS: u64 = 7 * 24 * 3600;

/// The most bytes that a step keeps of what went wrong.
const MAX_ERROR_BYTES: usize = 4_000;

/// How an attempt ended.
#[derive(Debug)]
pub(crate) enum NodeAttempt {
    /// The step is done, and on record.
    Done(Box<Finished>),
    /// Another attempt is due then.
    RetryAt(NodeIx, Time),
}

/// A step on record, and its output if it is at hand.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) ix: NodeIx,
    pub(crate) record: StepRecord,
    pub(crate) output: Option<Arc<Value>>,
}

/// What a step came to, before it is on record.
pub(crate) struct Ended {
    pub(crate) input: Value,
    pub(crate) output: Result<(Value, Exit), String>,
    pub(crate) answer: Option<ResponseHead>,
}

impl<P: Ports> Engine<P> {
    /// Sends a node's request. `run` is the run in which this attempt was recorded as begun.
    pub(crate) async fn attempt(
        &self,
        effects: &impl Effects,
        run: &Run,
        ix: NodeIx,
        node: &Node,
        request: Request,
        jitter: f64,
    ) -> Result<NodeAttempt, PortError> {
        let state = run.progress.get(ix);
        let input = request.as_input();
        let context = CallContext {
            org: run.org,
            trace_id: run.trace_id.clone(),
            idempotency_key: idempotency_key(&run.root(), &node.id, &sha256_hex(&input)),
            timeout_seconds: node.timeout_seconds,
        };
        let (output, answer) = match effects.perform(&context, &request).await {
            Ok(Effect { output, answer }) => (Ok((output, Exit::Normal)), answer),
            Err(error) => match self.next_attempt(node, &error, state, jitter) {
                Some(due) => return Ok(NodeAttempt::RetryAt(ix, due)),
                None => (Err(error.message), error.answer),
            },
        };
        let result = Ended { input, output, answer };
        self.keep(run, ix, node, result).await.map(|finished| NodeAttempt::Done(Box::new(finished)))
    }

    fn next_attempt(&self, node: &Node, error: &EffectError, state: NodeState, jitter: f64) -> Option<Time> {
        let delay = node.retry.delay_millis(state.attempts, jitter).filter(|_| error.retryable)?;
        let asked = error.retry_after_seconds.unwrap_or(0).min(MAX_RETRY_AFTER_SECONDS) * 1000;
        Some(self.clock.now().plus_millis(delay.max(asked)))
    }

    /// Puts a step on record. If there is a record already, that one counts: somebody did this step before.
    pub(crate) async fn keep(&self, run: &Run, ix: NodeIx, node: &Node, result: Ended) -> Result<Finished, PortError> {
        let now = self.clock.now();
        let state = run.progress.get(ix);
        let (value, exit, error) = match result.output {
            Ok((value, exit)) => match Payload::of(value) {
                output if output.bytes() > MAX_OUTPUT_BYTES => {
                    let bytes = output.bytes();
                    (None, Exit::Normal, Some(format!("the output has {bytes} bytes; a step may put out at most {MAX_OUTPUT_BYTES}")))
                }
                output => (Some(output), exit, None),
            },
            Err(message) => (None, Exit::Normal, Some(bounded(message))),
        };
        let record = StepRecord {
            run: run.id,
            node: node.id.clone(),
            kind: node.kind.name().to_owned(),
            status: if error.is_some() { NodeStatus::Failed } else { NodeStatus::Succeeded },
            exit,
            input: Some(result.input).filter(|input| !input.is_null()).map(Payload::of),
            output: value.clone(),
            answer: result.answer,
            error,
            attempts: state.attempts.max(1),
            started_at: state.started_at.unwrap_or(now),
            completed_at: now,
            reused_from: None,
            purged: None,
        };
        let record = self.runs.record(run, record).await?;
        let output = match (&record.output, value) {
            (Some(Payload::Inline(kept)), _) => Some(Arc::clone(kept)),
            (Some(Payload::Stored(object)), Some(ours)) if ours.sha256() == object.sha256 => ours.value().map(Arc::clone),
            _ => None,
        };
        Ok(Finished { ix, record, output })
    }
}

/// A message as it can be kept: one that quotes a value may be as long as the value.
fn bounded(mut message: String) -> String {
    if message.len() > MAX_ERROR_BYTES {
        message.truncate(message.floor_char_boundary(MAX_ERROR_BYTES));
        message.push('…');
    }
    message
}
