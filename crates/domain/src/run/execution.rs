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
    /// The time from which the run is stuck if nothing has changed it until then, while an invocation owns it or an effect is pending. A
    /// run that is parked is stuck some time after `parked_until` instead. None for runs that were written before this was stored, until
    /// they are written again.
    pub stuck_at: Option<Time>,
    /// The number of nodes that were done (see [`Run::has_progressed_in_segment`](super::Run::has_progressed_in_segment)) when the first
    /// invocation of the segment claimed the run. None before that.
    pub done_at_claim: Option<u32>,
}

/// How long after the time by which a run should have been written it counts as stuck, in seconds. It is longer than Step Functions and
/// Lambda take to repeat what failed, because a run that only is slow would get a second execution.
pub const STUCK_AFTER_SECONDS: u64 = 15 * 60;

/// An effect that a write has made necessary. The effect's own first write clears it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PendingEffect {
    /// Start the execution of the current segment.
    StartExecution,
    /// Send a task success to the parked segment, with its token.
    SendTaskSuccess,
    /// Close the gates that were open when the run ended.
    CloseGates,
}
