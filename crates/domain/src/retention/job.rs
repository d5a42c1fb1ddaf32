//! The job that applies an organisation's switch of long retention to its existing runs.

use crate::id::{FlowId, OrgId};
use crate::time::Time;

/// How long a process may use an organisation's setting after it has read it, in seconds.
pub const SETTING_IS_FRESH_SECONDS: u64 = 60;

/// A job that applies a switch of long retention to the runs that exist already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionJob {
    /// The organisation whose runs the job changes.
    pub org: OrgId,
    /// Whether outputs are kept for ever from now on.
    pub long: bool,
    /// When the setting was switched.
    pub started_at: Time,
    /// The phase that the job is in.
    pub phase: JobPhase,
    /// The number of runs that the job has handled.
    pub runs_done: u64,
    /// The flow that the job is working on, or has just finished; none before the first flow.
    pub flow: Option<FlowId>,
    /// The runs of that flow that the job has not handled.
    pub runs: RunsLeft,
    /// The revision. It counts the writes, and the next write is conditional on it.
    pub rev: u64,
}

/// The phase of a [`RetentionJob`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobPhase {
    /// No worker has begun the job.
    Pending,
    /// The job goes through all runs.
    First,
    /// The job went through all runs, and goes again through those that may have been recorded with the old setting since. It begins
    /// not before this time.
    Second(Time),
    /// The job was done at this time.
    Done(Time),
}

/// The runs of a flow that are left to be handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunsLeft {
    /// No run is left.
    None,
    /// The runs after this sort key are left; all runs, if there is no key.
    After(Option<String>),
}

impl RetentionJob {
    /// Returns a job that no worker has begun. It replaces `before`.
    pub fn new(org: OrgId, long: bool, now: Time, before: Option<&Self>) -> Self {
        let rev = before.map_or(0, |before| before.rev);
        Self { org, long, started_at: now, phase: JobPhase::Pending, runs_done: 0, flow: None, runs: RunsLeft::None, rev }
    }

    /// Returns when the job was done, if it is.
    pub fn finished_at(&self) -> Option<Time> {
        match self.phase {
            JobPhase::Done(at) => Some(at),
            _ => None,
        }
    }

    /// Returns the job at the beginning of a phase, before the first flow.
    #[must_use]
    pub fn enter(self, phase: JobPhase) -> Self {
        Self { phase, flow: None, runs: RunsLeft::None, ..self }
    }
}
