//! How segments and their owners follow each other.

use super::execution::{ExecutionState, PendingEffect, STUCK_AFTER_SECONDS};
use super::record::{Run, TransitionError};
use crate::flow::{NodeIx, NodeKind, Spec};
use crate::status::NodeStatus;
use crate::time::Time;

impl Run {
    /// Makes an invocation the owner of the run, so that the previous owner can record nothing more, and clears the pending effect,
    /// because the segment runs. A run that has ended is claimed too, so that its pending effect does not stay; it gets no owner.
    /// Fails if the run is on another segment.
    pub fn claim(&mut self, owner: &str, segment: u32) -> Result<(), TransitionError> {
        if self.execution.segment != segment {
            return Err(TransitionError::Superseded);
        }
        let done_at_claim = self.execution.done_at_claim.unwrap_or_else(|| self.done_nodes());
        self.execution = ExecutionState {
            segment,
            owner: (!self.has_ended()).then(|| owner.to_owned()),
            token: None,
            pending: None,
            parked_until: None,
            stuck_at: None,
            done_at_claim: (!self.has_ended()).then_some(done_at_claim),
        };
        Ok(())
    }

    /// Notes that the owner works until `deadline` at most.
    pub fn expect_write_by(&mut self, deadline: Time) {
        self.execution.stuck_at = Some(deadline.plus_seconds(STUCK_AFTER_SECONDS));
    }

    /// Returns the time from which the run is stuck if it has not changed until then: nothing drives it any more.
    pub fn stuck_at(&self) -> Option<Time> {
        let ExecutionState { owner, pending, stuck_at, .. } = &self.execution;
        match (owner, pending) {
            _ if self.has_ended() => None,
            (None, None) => self.stuck_at_if_parked(),
            _ => *stuck_at,
        }
    }

    /// Returns the time from which the run is stuck once the pause with which the segment begins is parked. None if the segment does not
    /// begin with a pause.
    pub fn stuck_at_if_parked(&self) -> Option<Time> {
        self.execution.parked_until.map(|until| until.plus_seconds(STUCK_AFTER_SECONDS))
    }

    /// Returns true if nothing drives the run any more: it should have been written some time before `now`, and was not.
    pub fn is_stuck(&self, now: Time) -> bool {
        self.stuck_at().is_some_and(|at| at <= now)
    }

    /// Returns true if a node has got further since the first invocation of the segment claimed the run: it has finished, or its gate is
    /// open. Neither can happen to a node twice, so a run has a bounded number of segments with progress.
    pub fn has_progressed_in_segment(&self) -> bool {
        self.execution.done_at_claim.is_some_and(|then| self.done_nodes() > then)
    }

    fn done_nodes(&self) -> u32 {
        let is_done = |status: NodeStatus| status.is_final() || status == NodeStatus::AwaitingApproval;
        let done = self.progress.states().iter().filter(|state| is_done(state.status)).count();
        u32::try_from(done).unwrap_or(u32::MAX)
    }

    /// Returns the nodes whose gates were open when the run ended.
    pub fn gates_to_close<'s>(&'s self, spec: &'s Spec) -> impl Iterator<Item = NodeIx> + 's {
        let was_open = |ix: &NodeIx| {
            let state = self.progress.get(*ix);
            state.status == NodeStatus::Cancelled && state.attempts > 0 && matches!(spec.node(*ix).kind, NodeKind::Approval(_))
        };
        spec.order().filter(move |ix| self.has_ended() && was_open(ix))
    }

    /// Fails if `owner` may no longer record progress.
    pub fn must_be_driven_by(&self, owner: &str) -> Result<(), TransitionError> {
        self.must_be_active()?;
        if self.execution.owner.as_deref() == Some(owner) { Ok(()) } else { Err(TransitionError::Superseded) }
    }

    /// Ends the segment. The next one is pending: it waits until `wake_at`, or goes on at once.
    pub fn end_segment(&mut self, wake_at: Option<Time>, now: Time) -> Result<(), TransitionError> {
        self.must_be_active()?;
        self.execution = ExecutionState {
            segment: self.execution.segment + 1,
            owner: None,
            token: None,
            pending: Some(PendingEffect::StartExecution),
            parked_until: wake_at,
            stuck_at: Some(now.plus_seconds(STUCK_AFTER_SECONDS)),
            done_at_claim: None,
        };
        Ok(())
    }

    /// Returns the name of the execution that drives the segment. It is unique, so that starting it twice is starting it once.
    pub fn execution_name(&self) -> String {
        format!("{}-{}", self.id, self.execution.segment)
    }
}
