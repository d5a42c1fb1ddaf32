//! Lists of runs: filters and rows.

use crate::id::{FlowId, RunId};
use crate::status::{RunStatus, Trigger};
use crate::time::Time;

/// Which runs of a flow are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only runs with this status.
    pub status: Option<RunStatus>,
    /// Only runs with this trigger.
    pub trigger: Option<Trigger>,
    /// Only runs that were created at this time or later.
    pub from: Option<Time>,
    /// Only runs that were created before this time.
    pub to: Option<Time>,
}

impl RunFilter {
    /// Returns whether a run that matches once always matches: runs are never deleted, and a final status is the last one.
    pub fn only_grows(&self) -> bool {
        self.status.is_none_or(RunStatus::is_final)
    }
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// The id.
    pub id: RunId,
    /// The flow.
    pub flow: FlowId,
    /// The version that the run executes.
    pub flow_version: u32,
    /// The status.
    pub status: RunStatus,
    /// What started the run.
    pub trigger: Trigger,
    /// The trace id.
    pub trace_id: String,
    /// When the run was created.
    pub started_at: Time,
    /// When the run ended.
    pub finished_at: Option<Time>,
    /// Why the run failed.
    pub error: Option<String>,
    /// The run that it repeats, if it is a retry.
    pub retry_of: Option<RunId>,
}
