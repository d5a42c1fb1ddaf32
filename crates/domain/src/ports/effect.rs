//! Effects of nodes outside: what every call carries, and what comes back.

use serde_json::Value;

use crate::id::OrgId;
use crate::step::ResponseHead;

/// What every outbound call of a step carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallContext {
    /// The organisation whose connections may be used.
    pub org: OrgId,
    /// `X-Quantum-Trace-Id`, and the trace of `traceparent`.
    pub trace_id: String,
    /// The Idempotency-Key. It is the same in every attempt of a step; if the attempt makes several calls, the later ones have keys
    /// derived from it.
    pub idempotency_key: String,
    /// How long the attempt may take, in seconds.
    pub timeout_seconds: u32,
}

/// What came back from an effect.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// The output of the step.
    pub output: Value,
    /// HTTP status and headers, if they belong on the step.
    pub answer: Option<ResponseHead>,
}

/// The error of an effect.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct EffectError {
    /// What went wrong, as the step shows it.
    pub message: String,
    /// Whether another attempt may succeed: after network errors, 408, 429 and 5xx.
    pub retryable: bool,
    /// The wait that the response asked for (`Retry-After`), in seconds.
    pub retry_after_seconds: Option<u64>,
    /// HTTP status and headers, if there was a response.
    pub answer: Option<ResponseHead>,
}
