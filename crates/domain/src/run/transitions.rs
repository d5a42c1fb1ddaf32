//! The transitions of a run: everything that can happen to it.

use super::execution::{PendingEffect, STUCK_AFTER_SECONDS};
use super::plan::{Entry, entry};
use super::record::{Cancellation, Run, RunError, TransitionError, bounded};
use super::state::NodeState;
use crate::access::RecordedActor;
use crate::flow::{Exit, NodeIx, NodeKind, Route, Spec};
use crate::status::{NodeStatus, RunStatus, Verdict};
use crate::time::Time;

impl Run {
    /// Fails unless a node may execute: an attempt is under way, or everything upstream has finished and the node is due. A run that
    /// is failing begins nothing more, but may repeat an attempt that a crash interrupted.
    fn may_work(&self, spec: &Spec, ix: NodeIx) -> Result<(), TransitionError> {
        self.must_be_active()?;
        let state = self.progress.get(ix);
        if state.is_under_way() {
            return Ok(());
        }
        if let Some(error) = &self.error {
            return Err(TransitionError::Failing(error.message.clone()));
        }
        let may_begin = state.waits_for_clock() || (state.status == NodeStatus::Pending && entry(self, spec, ix) == Entry::Open);
        if may_begin { Ok(()) } else { Err(TransitionError::NodeIs(state.status)) }
    }

    /// Begins an attempt of a node: its first, the next one that is due, or one that repeats an attempt that a crash interrupted.
    pub fn start(&mut self, spec: &Spec, ix: NodeIx, now: Time) -> Result<(), TransitionError> {
        self.may_work(spec, ix)?;
        let state = self.progress.get(ix);
        self.progress.set(
            ix,
            NodeState {
                status: NodeStatus::Running,
                attempts: state.attempts + 1,
                started_at: state.started_at.or(Some(now)),
                due: None,
                ..state
            },
        );
        self.note_generating(spec);
        Ok(())
    }

    /// Finishes a node, which is left by `exit`. Fails for a gate: only a decision finishes it.
    pub fn succeed(&mut self, spec: &Spec, ix: NodeIx, exit: Exit, now: Time) -> Result<(), TransitionError> {
        self.may_work(spec, ix)?;
        if matches!(spec.node(ix).kind, NodeKind::Approval(_)) {
            return Err(TransitionError::NodeIs(self.progress.get(ix).status));
        }
        self.leave(ix, NodeStatus::Succeeded, exit);
        self.update_status(spec, now);
        Ok(())
    }

    /// Records that an attempt failed and the next one is due later. If the run is failing there is no next attempt: nodes that wait are
    /// cancelled.
    pub fn retry_at(&mut self, spec: &Spec, ix: NodeIx, due: Time, now: Time) -> Result<(), TransitionError> {
        self.must_be_active()?;
        let state = self.progress.get(ix);
        if !state.is_under_way() {
            return Err(TransitionError::NodeIs(state.status));
        }
        self.progress.set(ix, NodeState { due: Some(due), ..state });
        self.update_status(spec, now);
        Ok(())
    }

    /// Lets a node wait until `due`.
    pub fn pause(&mut self, spec: &Spec, ix: NodeIx, due: Time, now: Time) -> Result<(), TransitionError> {
        self.start(spec, ix, now)?;
        self.progress.set(ix, NodeState { due: Some(due), ..self.progress.get(ix) });
        self.update_status(spec, now);
        Ok(())
    }

    /// Records that a node has failed for good. Its `onError` decides what follows. The node that makes the output of the run is an
    /// exception: the run succeeds without an output, and with a warning.
    pub fn fail(&mut self, spec: &Spec, ix: NodeIx, message: &str, now: Time) -> Result<(), TransitionError> {
        self.may_work(spec, ix)?;
        let node = spec.node(ix);
        match node.on_error {
            Route::To(_) => self.leave(ix, NodeStatus::Failed, Exit::Error),
            Route::Fail if node.id.is_internal() => {
                // Everything that the flow does is done, and to fail now would make a retry repeat it.
                self.leave(ix, NodeStatus::Failed, Exit::Normal);
                self.warning = Some(bounded(&format!("the flow's output cannot be made: {message}")));
            }
            Route::Fail => {
                self.leave(ix, NodeStatus::Failed, Exit::Normal);
                self.error.get_or_insert_with(|| RunError::new(Some(node.id.to_string()), message));
            }
        }
        self.update_status(spec, now);
        Ok(())
    }

    fn leave(&mut self, ix: NodeIx, status: NodeStatus, exit: Exit) {
        let attempts = self.progress.get(ix).attempts.max(1);
        self.progress.set(ix, NodeState { status, exit, attempts, started_at: None, due: None });
    }

    /// Opens a gate for which the clock has something to do at `due`: its deadline, or an escalation or a reminder before it.
    pub fn open_gate(&mut self, spec: &Spec, ix: NodeIx, due: Time, now: Time) -> Result<(), TransitionError> {
        self.start(spec, ix, now)?;
        let state = self.progress.get(ix);
        self.progress.set(ix, NodeState { status: NodeStatus::AwaitingApproval, due: Some(due), ..state });
        self.update_status(spec, now);
        Ok(())
    }

    /// Sets the next time at which the clock has something to do for an open gate.
    pub fn postpone_gate(&mut self, ix: NodeIx, due: Time) -> Result<(), TransitionError> {
        self.must_take_votes()?;
        let state = self.progress.get(ix);
        if state.status != NodeStatus::AwaitingApproval {
            return Err(TransitionError::NodeIs(state.status));
        }
        self.progress.set(ix, NodeState { due: Some(due), ..state });
        Ok(())
    }

    /// Fails if votes no longer count: the run has ended, or an error is ending it.
    pub fn must_take_votes(&self) -> Result<(), TransitionError> {
        self.must_be_active()?;
        self.error.as_ref().map_or(Ok(()), |error| Err(TransitionError::Failing(error.message.clone())))
    }

    /// Records the decision of a gate. If the run is parked, it must be resumed: a task success becomes pending.
    pub fn decide(&mut self, spec: &Spec, ix: NodeIx, verdict: Verdict, message: &str, now: Time) -> Result<(), TransitionError> {
        self.must_take_votes()?;
        let status = self.progress.get(ix).status;
        if status != NodeStatus::AwaitingApproval {
            return Err(TransitionError::NodeIs(status));
        }
        let parked = self.execution.owner.is_none();
        let node = spec.node(ix);
        let (route, exit) = match (&node.kind, verdict) {
            (NodeKind::Approval(gate), Verdict::Rejected) => (&gate.on_reject, Exit::Rejected),
            (NodeKind::Approval(gate), Verdict::Expired) => (&gate.on_timeout, Exit::Expired),
            _ => (&node.on_error, Exit::Normal),
        };
        match (verdict, route) {
            (Verdict::Approved, _) | (_, Route::To(_)) => self.leave(ix, NodeStatus::Succeeded, exit),
            (_, Route::Fail) => {
                self.leave(ix, NodeStatus::Failed, Exit::Normal);
                self.error = Some(RunError::new(Some(node.id.to_string()), message));
            }
        }
        self.update_status(spec, now);
        if parked {
            self.execution.pending = Some(PendingEffect::SendTaskSuccess);
            self.execution.stuck_at = Some(now.plus_seconds(STUCK_AFTER_SECONDS)).filter(|_| !self.has_ended());
        }
        Ok(())
    }

    /// Takes over a gate that was decided in the run before this one. It is left by the same exit.
    pub fn take_over_gate(&mut self, spec: &Spec, ix: NodeIx, exit: Exit, now: Time) -> Result<(), TransitionError> {
        self.may_work(spec, ix)?;
        self.leave(ix, NodeStatus::Succeeded, exit);
        self.update_status(spec, now);
        Ok(())
    }

    /// Cancels the run. After this write no node starts.
    pub fn cancel(&mut self, actor: RecordedActor, reason: Option<String>, now: Time) -> Result<(), TransitionError> {
        self.must_be_active()?;
        self.cancellation = Some(Cancellation { actor: actor.id, identity: actor.identity, reason });
        self.end(RunStatus::Cancelled, now);
        Ok(())
    }

    /// Ends the run because the execution of its segment has failed for good. Fails if the run is on another segment.
    pub fn abandon(&mut self, segment: u32, cause: &str, now: Time) -> Result<(), TransitionError> {
        self.must_be_active()?;
        if self.execution.segment != segment {
            return Err(TransitionError::Superseded);
        }
        for state in self.progress.states_mut().filter(|state| state.is_under_way()) {
            state.status = NodeStatus::Failed;
        }
        self.error.get_or_insert_with(|| RunError::new(None, cause));
        self.end(RunStatus::Failed, now);
        Ok(())
    }

    /// Updates what follows from the states of the nodes: skips nodes that no branch leads to, sets the status, and ends the run when
    /// every node has finished.
    pub(super) fn update_status(&mut self, spec: &Spec, now: Time) {
        for ix in spec.order() {
            // A node behind an uncaught error is not on a branch that was not taken: it is cancelled when the run ends.
            if self.error.is_none() && self.progress.get(ix).status == NodeStatus::Pending && entry(self, spec, ix) == Entry::Closed {
                self.progress.set(ix, NodeState { status: NodeStatus::Skipped, ..NodeState::PENDING });
            }
        }
        let any = |wanted: fn(&NodeState) -> bool| self.progress.states().iter().any(wanted);
        if self.error.is_some() {
            // Attempts under way are recorded before the run ends, so that no request that was sent is without a record.
            if !any(NodeState::is_under_way) {
                self.end(RunStatus::Failed, now);
            }
        } else if !any(|state| !state.status.is_final()) {
            self.end(RunStatus::Succeeded, now);
        } else if any(|state| state.status == NodeStatus::AwaitingApproval) {
            self.status = RunStatus::AwaitingApproval;
        } else {
            self.status = RunStatus::Running;
        }
        self.note_generating(spec);
    }

    fn note_generating(&mut self, spec: &Spec) {
        let asks = |ix: &NodeIx| matches!(spec.node(*ix).kind, NodeKind::Llm(_));
        let since = |ix: NodeIx| {
            let begun = Some(self.progress.get(ix)).filter(NodeState::is_under_way)?.started_at?;
            Some((spec.node(ix).id.clone(), begun))
        };
        self.generating = spec.order().filter(asks).filter_map(since).collect();
    }

    fn end(&mut self, status: RunStatus, now: Time) {
        // To close the gates in the same write would make it as large as all of them together.
        let has_open_gates = self.progress.with_status(NodeStatus::AwaitingApproval).next().is_some();
        for state in self.progress.states_mut().filter(|state| !state.status.is_final()) {
            *state = NodeState { status: NodeStatus::Cancelled, due: None, ..*state };
        }
        self.status = status;
        self.finished_at = Some(now);
        self.execution.owner = None;
        self.execution.pending = has_open_gates.then_some(PendingEffect::CloseGates);
        self.execution.parked_until = None;
        self.execution.stuck_at = None;
        self.execution.done_at_claim = None;
        self.generating.clear();
    }
}
