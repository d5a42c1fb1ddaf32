//! Steps: the record that stays of a node once it has finished, and the receipt that takes its place when its payloads are purged.

mod key;
mod receipt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::flow::Exit;
use crate::id::{RunId, StepId};
use crate::name::NodeId;
use crate::status::NodeStatus;
use crate::time::Time;

pub use crate::payload::{MAX_INLINE_BYTES, ObjectRef, Payload};
pub use key::StepKey;
pub use receipt::{Gone, PurgeReason, Purged};

/// The most bytes of canonical JSON that one output may have.
pub const MAX_OUTPUT_BYTES: usize = 25 * 1024 * 1024;

/// Status and headers of an HTTP response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResponseHead {
    /// The HTTP status.
    pub status: u16,
    /// The response headers, with names in lower case.
    pub headers: Value,
}

/// The final record of a step. It is written once, before any node that depends on it starts, and the first record written wins:
/// a repetition after a crash, or an invocation that no longer owns the run, changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRecord {
    /// The run.
    pub run: RunId,
    /// The node.
    pub node: NodeId,
    /// The round of the node in which the step was executed, counted from 1.
    pub round: u32,
    /// The type of the node.
    pub kind: String,
    /// `succeeded` or `failed`.
    pub status: NodeStatus,
    /// The exit by which the node was left.
    pub exit: Exit,
    /// What was sent, with its templates filled in.
    pub input: Option<Payload>,
    /// What came back.
    pub output: Option<Payload>,
    /// Status and headers of the response, if the output came over HTTP.
    pub answer: Option<ResponseHead>,
    /// Why the step failed.
    pub error: Option<String>,
    /// The number of attempts that began.
    pub attempts: u32,
    /// When the first attempt began.
    pub started_at: Time,
    /// When the last attempt ended.
    pub completed_at: Time,
    /// The run that executed the step, if this run took the record over from it.
    pub reused_from: Option<RunId>,
    /// What is left of the payloads after they were purged.
    pub purged: Option<Box<Purged>>,
}

impl StepRecord {
    /// Returns the name of the step in its run.
    pub fn key(&self) -> StepKey {
        StepKey::new(&self.node, self.round)
    }

    /// Returns the payloads of the record that are in object storage.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectRef> {
        [&self.input, &self.output].into_iter().flatten().filter_map(|payload| match payload {
            Payload::Stored(object) => Some(object),
            Payload::Inline(_) => None,
        })
    }
}

/// Returns the public id of a step. It is derived from the run, the node and its round, so that it is the same in every attempt.
pub fn step_id(run: &RunId, step: &StepKey) -> StepId {
    StepId::derived(run, &step.to_string(), run.created_at())
}

/// Returns the Idempotency-Key of a node's request. It is the same in every attempt of the step and in every retry of the run, as
/// long as the request is the same, so that a service recognises a request that it has handled. Another request has another key, and so
/// has the same request in another round: what is done again for a reviewer is meant to be done again.
///
/// `root` is [`Run::root`](crate::run::Run::root), `input_sha256` the hash of the step's input.
pub fn idempotency_key(root: &RunId, step: &StepKey, input_sha256: &str) -> String {
    // 128 bits of the hash are enough to tell the inputs of one node apart, and keep the key below 255 characters.
    let key = format!("{root}/{}/{}", step.node, input_sha256.get(..32).unwrap_or(input_sha256));
    if step.round <= 1 { key } else { format!("{key}/r{}", step.round) }
}
