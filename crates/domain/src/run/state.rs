//! The states of the nodes of a run.

use crate::flow::{Exit, NodeIx};
use crate::status::NodeStatus;
use crate::time::Time;

/// What a run stores of one node. Payloads are stored elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeState {
    /// The status.
    pub status: NodeStatus,
    /// The exit by which the node was left, once it has finished.
    pub exit: Exit,
    /// The number of attempts that began.
    pub attempts: u32,
    /// When the first attempt began; kept while the node is under way.
    pub started_at: Option<Time>,
    /// For a running node that waits: when it continues. For an open gate: when the clock has something to do for it, at its deadline at the
    /// latest.
    pub due: Option<Time>,
}

impl NodeState {
    /// The state of a node that has not begun.
    pub const PENDING: Self = Self { status: NodeStatus::Pending, exit: Exit::Normal, attempts: 0, started_at: None, due: None };

    /// Returns whether the node waits for a time: that of its next attempt, or the one that a `wait` names.
    pub fn waits_for_clock(&self) -> bool {
        self.status == NodeStatus::Running && self.due.is_some()
    }

    /// Returns whether an attempt is under way.
    pub fn is_under_way(&self) -> bool {
        self.status == NodeStatus::Running && self.due.is_none()
    }
}

/// The state of every node of a run, by position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress(Vec<NodeState>);

impl Progress {
    /// Returns the progress of a run with this number of nodes that has not begun.
    pub fn new(nodes: usize) -> Self {
        Self(vec![NodeState::PENDING; nodes])
    }

    /// Returns progress that was read from a store.
    pub fn from_states(states: Vec<NodeState>) -> Self {
        Self(states)
    }

    /// Returns the state of a node.
    pub fn get(&self, ix: NodeIx) -> NodeState {
        self.0.get(ix.position()).copied().unwrap_or(NodeState::PENDING)
    }

    pub(super) fn set(&mut self, ix: NodeIx, state: NodeState) {
        if let Some(slot) = self.0.get_mut(ix.position()) {
            *slot = state;
        }
    }

    /// Returns all states, in the order of the spec.
    pub fn states(&self) -> &[NodeState] {
        &self.0
    }

    pub(super) fn states_mut(&mut self) -> impl Iterator<Item = &mut NodeState> {
        self.0.iter_mut()
    }

    /// Returns the nodes with this status.
    pub fn with_status(&self, status: NodeStatus) -> impl Iterator<Item = NodeIx> + '_ {
        self.0.iter().enumerate().filter(move |(_, state)| state.status == status).map(|(at, _)| NodeIx::new(at))
    }
}
