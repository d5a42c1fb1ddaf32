//! What drives a run: the current segment, the invocation that owns it, and the effect that is pending.

use crate::time::Time;

/// The state of a run's execution. A run is driven in segments: short executions of a state machine, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionState {
    /// The segment that drives the run, or that is about to be started.
    pub segment: u32,
    /// The invocation that owns the run: a fence, because only the owner may record progress. None if the run is parked, or no
    /// invocation has claimed it yet.
    pub owner: Option<String>,
    /// The task token of a parked segment. It never leaves the store and the process that resumes the segment.
    pub token: Option<String>,
    /// The effect that must still take place for the run to go on.
    pub pending: Option<PendingEffect>,
    /// The time until which the segment waits at most, if it begins by waiting.
    pub parked_until: Option<Time>,
}

/// An effect that a write has made necessary. The effect's own first write clears it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PendingEffect {
    /// Start the execution of the current segment.
    StartExecution,
    /// Send a task success to the parked segment, with its token.
    SendTaskSuccess,
}
