//! A purge that a caller requests, and its result.

use crate::access::Identity;
use crate::id::{OrgId, RunId};
use crate::step::StepRecord;
use crate::time::Time;

/// A request to purge the outputs of a run at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeRequest {
    /// The run.
    pub run: RunId,
    /// The organisation of the run.
    pub org: OrgId,
    /// The actor who requested it.
    pub by: String,
    /// How it was known who the actor is.
    pub identity: Option<Identity>,
    /// When it was requested.
    pub at: Time,
}

/// The result of a purge. A repeated request returns the same result.
#[derive(Debug, Clone, PartialEq)]
pub struct Purge {
    /// The run.
    pub run: RunId,
    /// When the purge was first requested.
    pub at: Time,
    /// The receipts of the run's steps, sorted by node name.
    pub receipts: Vec<StepRecord>,
}
