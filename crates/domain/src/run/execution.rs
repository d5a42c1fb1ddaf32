//! What drives a run: segments, the invocation at work, and what is owed.

use super::{Run, TransitionError};
use crate::time::Time;

/// A run is driven in segments: short executions of a state machine, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionState {
    /// The segment that drives the run, or is owed to it.
    pub segment: u32,
    /// The invocation at work: a fence, since only its owner may record progress. None: the run is parked, or not yet taken up.
    pub owner: Option<String>,
    /// The bell of a parked segment. Never leaves the store and the process that rings it.
    pub token: Option<String>,
    /// What must still be done for the run to go on.
    pub pending: Option<PendingEffect>,
    /// The segment begins by waiting until then, at most.
    pub parked_until: Option<Time>,
}

/// An effect that a write has made necessary; the effect's own first write clears it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PendingEffect {
    /// Start the execution of the current segment.
    StartExecution,
    /// Ring the token of the current segment.
    SendTaskSuccess,
}

impl Run {
    /// An invocation takes the run over; whoever had it before can record nothing more. Clears what was owed:
    /// the segment runs. A run that has ended is claimed too if it still pending, so that its debt does not stay behind.
    pub fn claim(&mut self, owner: &str, segment: u32) -> Result<(), TransitionError> {
        if self.execution.segment != segment {
            return Err(TransitionError::Superseded);
        }
        self.execution = ExecutionState {
            segment,
            owner: (!self.has_ended()).then(|| owner.to_owned()),
            token: None,
            pending: None,
            parked_until: None,
        };
        Ok(())
    }

    /// Whether `owner` may still record progress.
    pub fn must_be_driven_by(&self, owner: &str) -> Result<(), TransitionError> {
        self.must_be_active()?;
        if self.execution.owner.as_deref() == Some(owner) { Ok(()) } else { Err(TransitionError::Superseded) }
    }

    /// The segment ends and the next one is owed; it begins by waiting until `wake_at`, or goes on at once.
    pub fn end_segment(&mut self, wake_at: Option<Time>) -> Result<(), TransitionError> {
        self.must_be_active()?;
        let segment = self.execution.segment + 1;
        self.execution =
            ExecutionState { segment, owner: None, token: None, pending: Some(PendingEffect::StartExecution), parked_until: wake_at };
        Ok(())
    }

    /// The name of the execution that drives a segment: unique, so that starting it twice is starting it once.
    pub fn execution_name(&self) -> String {
        format!("{}-{}", self.id, self.execution.segment)
    }
}
