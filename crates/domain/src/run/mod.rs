//! Runs: what one knows of itself, and everything that can happen to it.
//!
//! A [`Run`] changes only through the methods here. They take the time from outside and touch nothing else, so every
//! order of events can be tried in a test. Whoever stores a run makes each write conditional on its `rev`.

mod execution;
mod plan;
mod retry;
mod state;

use std::collections::BTreeMap;

use serde::Serialize;

pub use execution::{ExecutionState, PendingEffect};
pub use plan::Plan;
pub use retry::{Retried, Reuse};
pub use state::{Exit, NodeState, NodeStatus, Progress, RunStatus, Trigger};

use crate::flow::{FlowLabel, NodeId, NodeIx, NodeKind, Route, Slug, Spec};
use crate::gate::Verdict;
use crate::id::{FlowId, OrgId, RunId};
use crate::time::Time;

/// An error text in a run is cut to this many characters: the run item is written often and stays small.
const MAX_ERROR_CHARS: usize = 300;

/// One execution of a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Whose it is.
    pub org: OrgId,
    /// The flow it executes.
    pub flow: FlowId,
    /// The flow's slug.
    pub flow_slug: Slug,
    /// The name and the description of the flow. Only a run that is being created has them: they are stored with its input, because the
    /// item of the run is written often and must stay small.
    pub flow_label: Option<FlowLabel>,
    /// The version it executes, to its end.
    pub flow_version: u32,
    /// What started it.
    pub trigger: Trigger,
    /// Who started it.
    pub started_by: String,
    /// The run it repeats, if it repeats one.
    pub retried: Option<Retried>,
    /// The id that ties together all it does in the world: 32 hex digits, as in W3C trace context.
    pub trace_id: String,
    /// When it was created.
    pub started_at: Time,
    /// Where it stands; follows from the rest.
    pub status: RunStatus,
    /// When it ended.
    pub finished_at: Option<Time>,
    /// What went wrong. While the run is still active: it winds down and starts nothing more.
    pub error: Option<RunError>,
    /// Who cancelled it and why.
    pub cancellation: Option<Cancellation>,
    /// Where its nodes stand.
    pub progress: Progress,
    /// What drives it, and what is owed to it.
    pub execution: ExecutionState,
    /// The `llm_step`s under way, and when the first attempt of each began; follows from the rest. A run knows the types of its nodes
    /// only while it is driven, and whoever reads its changes wants to know when a generation starts.
    pub generating: BTreeMap<NodeId, Time>,
    /// The records of its steps are kept until then at least: it was about to wait longer than they would have been.
    pub kept_until: Option<Time>,
    /// Counts the writes; the next one is conditional on it.
    pub rev: u64,
}

/// Why a run fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunError {
    /// The node it began with, by name.
    #[serde(rename = "nodeId", skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What happened.
    pub message: String,
}

/// Who cancelled a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancellation {
    /// The actor of the key.
    pub actor: String,
    /// What they said.
    pub reason: Option<String>,
}

/// What the state machine of a run refuses.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum TransitionError {
    /// It has ended.
    #[error("the run is already {0}")]
    Ended(RunStatus),
    /// An error is ending it.
    #[error("the run is failing: {0}")]
    Failing(String),
    /// Another invocation or a later segment drives it.
    #[error("another invocation drives the run")]
    Superseded,
    /// The node is not in a state in which this can happen to it.
    #[error("the node is {0}")]
    NodeIs(NodeStatus),
    /// There is nothing to retry.
    #[error("the run is {0}; only a run that failed or was cancelled can be retried")]
    NotToRetry(RunStatus),
}

/// What starting a run takes.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Its id.
    pub id: RunId,
    /// Whose it is.
    pub org: OrgId,
    /// The flow.
    pub flow: FlowId,
    /// Its slug.
    pub flow_slug: Slug,
    /// Its name and description.
    pub flow_label: Option<FlowLabel>,
    /// The version to execute.
    pub flow_version: u32,
    /// What starts it.
    pub trigger: Trigger,
    /// Who starts it.
    pub started_by: String,
    /// The run it repeats, if it repeats one.
    pub retried: Option<Retried>,
    /// 32 hex digits.
    pub trace_id: String,
}

impl Run {
    /// A run that has not begun, and is owed its first segment.
    pub fn new(new: NewRun, spec: &Spec, now: Time) -> Self {
        Self {
            id: new.id,
            org: new.org,
            flow: new.flow,
            flow_slug: new.flow_slug,
            flow_label: new.flow_label,
            flow_version: new.flow_version,
            trigger: new.trigger,
            started_by: new.started_by,
            retried: new.retried,
            trace_id: new.trace_id,
            started_at: now,
            status: RunStatus::Running,
            finished_at: None,
            error: None,
            cancellation: None,
            progress: Progress::new(spec.len()),
            execution: ExecutionState {
                segment: 1,
                owner: None,
                token: None,
                pending: Some(PendingEffect::StartExecution),
                parked_until: None,
            },
            generating: BTreeMap::new(),
            kept_until: None,
            rev: 0,
        }
    }

    /// Whether nothing can happen to it any more.
    pub fn has_ended(&self) -> bool {
        self.status.is_final()
    }

    fn must_be_active(&self) -> Result<(), TransitionError> {
        if self.has_ended() { Err(TransitionError::Ended(self.status)) } else { Ok(()) }
    }

    /// Whether a node may be at work: it is already, or its turn has come. A run that is failing begins nothing more,
    /// but may repeat what a crash cut short.
    fn may_work(&self, spec: &Spec, ix: NodeIx) -> Result<(), TransitionError> {
        self.must_be_active()?;
        let state = self.progress.get(ix);
        if state.is_under_way() {
            return Ok(());
        }
        if let Some(error) = &self.error {
            return Err(TransitionError::Failing(error.message.clone()));
        }
        let its_turn = state.waits_for_clock() || (state.status == NodeStatus::Pending && plan::entry(self, spec, ix) == plan::Entry::Open);
        if its_turn { Ok(()) } else { Err(TransitionError::NodeIs(state.status)) }
    }

    /// An attempt of a node begins: its first, the next one that was due, or one that repeats what a crash cut short.
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

    /// A node is done and is left by `exit`. A gate is not: only a decision leaves it.
    pub fn succeed(&mut self, spec: &Spec, ix: NodeIx, exit: Exit, now: Time) -> Result<(), TransitionError> {
        self.may_work(spec, ix)?;
        if matches!(spec.node(ix).kind, NodeKind::Approval(_)) {
            return Err(TransitionError::NodeIs(self.progress.get(ix).status));
        }
        self.leave(ix, NodeStatus::Succeeded, exit);
        self.settle(spec, now);
        Ok(())
    }

    /// An attempt has failed; the next one is due later. If the run is failing there is no next one: what waits is called off.
    pub fn retry_at(&mut self, spec: &Spec, ix: NodeIx, due: Time, now: Time) -> Result<(), TransitionError> {
        self.must_be_active()?;
        let state = self.progress.get(ix);
        if !state.is_under_way() {
            return Err(TransitionError::NodeIs(state.status));
        }
        self.progress.set(ix, NodeState { due: Some(due), ..state });
        self.settle(spec, now);
        Ok(())
    }

    /// A node waits for a clock; its turn comes again when `due` has come.
    pub fn pause(&mut self, spec: &Spec, ix: NodeIx, due: Time, now: Time) -> Result<(), TransitionError> {
        self.start(spec, ix, now)?;
        self.progress.set(ix, NodeState { due: Some(due), ..self.progress.get(ix) });
        self.settle(spec, now);
        Ok(())
    }

    /// A node has failed for good: its `onError` decides what follows.
    pub fn fail(&mut self, spec: &Spec, ix: NodeIx, message: &str, now: Time) -> Result<(), TransitionError> {
        self.may_work(spec, ix)?;
        let node = spec.node(ix);
        match node.on_error {
            Route::To(_) => self.leave(ix, NodeStatus::Failed, Exit::Error),
            Route::Fail => {
                self.leave(ix, NodeStatus::Failed, Exit::Normal);
                self.error.get_or_insert_with(|| {
                    if node.id.is_internal() {
                        return run_error(None, &format!("the flow's output cannot be made: {message}"));
                    }
                    run_error(Some(node.id.to_string()), message)
                });
            }
        }
        self.settle(spec, now);
        Ok(())
    }

    fn leave(&mut self, ix: NodeIx, status: NodeStatus, exit: Exit) {
        let attempts = self.progress.get(ix).attempts.max(1);
        self.progress.set(ix, NodeState { status, exit, attempts, started_at: None, due: None });
    }

    /// A gate opens and must be decided by `deadline`.
    pub fn open_gate(&mut self, spec: &Spec, ix: NodeIx, deadline: Time, now: Time) -> Result<(), TransitionError> {
        self.start(spec, ix, now)?;
        let state = self.progress.get(ix);
        self.progress.set(ix, NodeState { status: NodeStatus::AwaitingApproval, due: Some(deadline), ..state });
        self.settle(spec, now);
        Ok(())
    }

    /// Whether a vote still means something: the run has not ended and no error is ending it.
    pub fn must_take_votes(&self) -> Result<(), TransitionError> {
        self.must_be_active()?;
        self.error.as_ref().map_or(Ok(()), |error| Err(TransitionError::Failing(error.message.clone())))
    }

    /// A gate is decided. A parked run now pending a ring: whatever holds its token must wake.
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
                self.error = Some(run_error(Some(node.id.to_string()), message));
            }
        }
        self.settle(spec, now);
        if parked {
            self.execution.pending = Some(PendingEffect::SendTaskSuccess);
        }
        Ok(())
    }

    /// Somebody calls the run off. After this write nothing starts.
    pub fn cancel(&mut self, actor: &str, reason: Option<String>, now: Time) -> Result<(), TransitionError> {
        self.must_be_active()?;
        self.cancellation = Some(Cancellation { actor: actor.to_owned(), reason });
        self.end(RunStatus::Cancelled, now);
        Ok(())
    }

    /// The execution of a segment has failed for good, and the run is still on that segment: it cannot go on.
    pub fn abandon(&mut self, segment: u32, cause: &str, now: Time) -> Result<(), TransitionError> {
        self.must_be_active()?;
        if self.execution.segment != segment {
            return Err(TransitionError::Superseded);
        }
        for state in self.progress.states_mut().filter(|state| state.is_under_way()) {
            state.status = NodeStatus::Failed;
        }
        self.error.get_or_insert_with(|| run_error(None, cause));
        self.end(RunStatus::Failed, now);
        Ok(())
    }

    /// Brings everything into line that follows from the nodes: skips what no branch leads to, and ends the run when it is done.
    fn settle(&mut self, spec: &Spec, now: Time) {
        for ix in spec.order() {
            // What lies behind an uncaught error is no branch that was not taken: it is called off when the run ends.
            if self.error.is_none()
                && self.progress.get(ix).status == NodeStatus::Pending
                && plan::entry(self, spec, ix) == plan::Entry::Closed
            {
                self.progress.set(ix, NodeState { status: NodeStatus::Skipped, ..NodeState::PENDING });
            }
        }
        let any = |wanted: fn(&NodeState) -> bool| self.progress.states().iter().any(wanted);
        if self.error.is_some() {
            // In-flight work is recorded before the run ends: what was sent must not be forgotten.
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
        for state in self.progress.states_mut().filter(|state| !state.status.is_final()) {
            *state = NodeState { status: NodeStatus::Cancelled, due: None, ..*state };
        }
        self.status = status;
        self.finished_at = Some(now);
        self.execution.owner = None;
        self.execution.pending = None;
        self.execution.parked_until = None;
        self.generating.clear();
    }
}

fn run_error(node: Option<String>, message: &str) -> RunError {
    RunError { node, message: message.chars().take(MAX_ERROR_CHARS).collect() }
}
