//! What is kept of a step once it is done: what was sent, what came back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::flow::NodeId;
use crate::id::{RunId, StepId};
use crate::json::{canonical, sha256_hex};
use crate::retention::Purged;
use crate::run::{Exit, NodeStatus};
use crate::time::Time;

/// Payloads of more bytes of JSON than this lie in object storage.
pub const MAX_INLINE_BYTES: usize = 100 * 1024;
/// The most bytes of JSON that one output may have.
pub const MAX_OUTPUT_BYTES: usize = 25 * 1024 * 1024;

/// A JSON value, in the record or beside it.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// The value itself.
    Inline(Arc<Value>),
    /// Where it lies.
    Stored(ObjectRef),
}

impl Payload {
    /// A value that has not been stored yet.
    pub fn of(value: Value) -> Self {
        Self::Inline(Arc::new(value))
    }

    /// The value, if it is at hand.
    pub fn value(&self) -> Option<&Arc<Value>> {
        match self {
            Self::Inline(value) => Some(value),
            Self::Stored(_) => None,
        }
    }

    /// Bytes of its canonical JSON.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Inline(value) => canonical(value).len(),
            Self::Stored(object) => usize::try_from(object.bytes).unwrap_or(usize::MAX),
        }
    }

    /// SHA-256 of its canonical JSON, lower-case hex.
    pub fn sha256(&self) -> String {
        match self {
            Self::Inline(value) => sha256_hex(value),
            Self::Stored(object) => object.sha256.clone(),
        }
    }
}

/// A payload in object storage: canonical JSON under a key that ends with its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Key of the object.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

/// What a service answered, beside the body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResponseHead {
    /// HTTP status.
    pub status: u16,
    /// Response headers, names in lower case.
    pub headers: Value,
}

/// The final record of a step: written once, before anything that depends on it starts. The first one written wins, so
/// that a repetition after a crash, or an invocation that lost the run, changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRecord {
    /// The run.
    pub run: RunId,
    /// The node.
    pub node: NodeId,
    /// The node's type.
    pub kind: String,
    /// `succeeded` or `failed`.
    pub status: NodeStatus,
    /// How the node was left.
    pub exit: Exit,
    /// What was sent, templates filled in.
    pub input: Option<Payload>,
    /// What came back.
    pub output: Option<Payload>,
    /// Status and headers of what came back, if it came over HTTP.
    pub answer: Option<ResponseHead>,
    /// What went wrong.
    pub error: Option<String>,
    /// Attempts begun.
    pub attempts: u32,
    /// When the first attempt began.
    pub started_at: Time,
    /// When the last one ended.
    pub completed_at: Time,
    /// The run that did it, if this run only went on from it.
    pub reused_from: Option<RunId>,
    /// What is left of its payloads, once they are gone.
    pub purged: Option<Box<Purged>>,
}

impl StepRecord {
    /// What of it lies in object storage.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectRef> {
        [&self.input, &self.output].into_iter().flatten().filter_map(|payload| match payload {
            Payload::Stored(object) => Some(object),
            Payload::Inline(_) => None,
        })
    }
}

/// A step's public id. It follows from run and node, so it is the same in every attempt.
pub fn step_id(run: &RunId, node: &NodeId) -> StepId {
    StepId::derived(run, node.as_str(), run.created_at())
}

/// The Idempotency-Key of a node's request: the same as long as the same is sent, in every attempt of the step and in every
/// retry of the run, so that a service which has done it recognises it. Something else that is sent has another key.
///
/// `root` is [`Run::root`](crate::run::Run::root), `input_sha256` the hash of the step's input.
pub fn idempotency_key(root: &RunId, node: &NodeId, input_sha256: &str) -> String {
    // 128 bits of the hash are enough to tell the inputs of one node apart, and keep the key below 255 characters.
    format!("{root}/{node}/{}", input_sha256.get(..32).unwrap_or(input_sha256))
}
