//! Idempotency-Keys.

use crate::id::{OrgId, RunId};
use crate::time::Time;

/// An Idempotency-Key that is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The organisation of the caller.
    pub org: OrgId,
    /// What the request was about, such as the id of a flow.
    pub scope: String,
    /// The key.
    pub key: String,
    /// The SHA-256 of the body.
    pub body_sha256: String,
    /// The run that the request started.
    pub run: RunId,
    /// When the key is forgotten.
    pub forget_at: Time,
}
