//! How segments and their owners follow each other.

use super::execution::{ExecutionState, PendingEffect};
use super::record::{Run, TransitionError};
use crate::time::Time;

impl Run {
    /// Makes an invocation the owner of the run, so that the previous owner can record nothing more, and clears the pending effect,
    /// because the segment runs. A run that has ended is claimed too, so that its pending effect does not stay; it gets no owner.
    /// Fails if the run is on another segment.
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

    /// Fails if `owner` may no longer record progress.
    pub fn must_be_driven_by(&self, owner: &str) -> Result<(), TransitionError> {
        self.must_be_active()?;
        if self.execution.owner.as_deref() == Some(owner) { Ok(()) } else { Err(TransitionError::Superseded) }
    }

    /// Ends the segment. The next one is pending: it waits until `wake_at`, or goes on at once.
    pub fn end_segment(&mut self, wake_at: Option<Time>) -> Result<(), TransitionError> {
        self.must_be_active()?;
        let segment = self.execution.segment + 1;
        self.execution =
            ExecutionState { segment, owner: None, token: None, pending: Some(PendingEffect::StartExecution), parked_until: wake_at };
        Ok(())
    }

    /// Returns the name of the execution that drives the segment. It is unique, so that starting it twice is starting it once.
    pub fn execution_name(&self) -> String {
        format!("{}-{}", self.id, self.execution.segment)
    }
}
