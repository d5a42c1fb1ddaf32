//! Effects of nodes outside: what every call carries, and what comes back.

use serde_json::Value;

use crate::id::OrgId;
use crate::name::{NodeId, ServiceSlug};
use crate::step::ResponseHead;

/// The destination of a service that an approval covers: a call that would go elsewhere fails before anything is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoveredService {
    /// The approval.
    pub gate: NodeId,
    /// The service.
    pub service: ServiceSlug,
    /// The base URL of its connection when the approval opened. None: there was no such connection.
    pub base_url: Option<String>,
}

impl CoveredService {
    /// Returns why a call of this service must not be sent through a connection with this base URL; none if the approval covers it.
    pub fn refusal(&self, base_url: &str) -> Option<String> {
        let Self { gate, service, base_url: covered } = self;
        match covered {
            Some(covered) if covered == base_url => None,
            Some(covered) => Some(format!(
                "the approval `{gate}` did not cover this destination: when it was opened, service connection `{service}` led to {covered}, and now it leads to {base_url}; nothing was sent; retry the run to ask again"
            )),
            None => Some(format!(
                "the approval `{gate}` did not cover this destination: when it was opened, there was no service connection `{service}`; nothing was sent; retry the run to ask again"
            )),
        }
    }
}

/// What every outbound call of a step carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallContext {
    /// The destinations that the approvals before the step cover.
    pub covered: Vec<CoveredService>,
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
