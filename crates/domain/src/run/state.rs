//! Where each node of a run stands.

use crate::flow::{NodeIx, word_enum};
use crate::time::Time;

word_enum!(
    /// Where a run stands.
    RunStatus {
        /// Nodes run, or the run waits for a clock.
        Running = "running",
        /// At least one gate is open.
        AwaitingApproval = "awaiting_approval",
        /// Every node that was to run has succeeded.
        Succeeded = "succeeded",
        /// An uncaught error, or a rejection whose policy is `fail`.
        Failed = "failed",
        /// Somebody cancelled it.
        Cancelled = "cancelled",
    }
);

impl RunStatus {
    /// Whether nothing can happen to the run any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

word_enum!(
    /// What started a run.
    Trigger {
        /// A call of `execute`.
        Manual = "manual",
        /// A signed webhook.
        Webhook = "webhook",
        /// The clock.
        Cron = "cron",
    }
);

word_enum!(
    /// Where a node stands, as the contract names it.
    NodeStatus {
        /// Its turn has not come.
        Pending = "pending",
        /// An attempt is under way, or the next one is due later.
        Running = "running",
        /// Its gate is open.
        AwaitingApproval = "awaiting_approval",
        /// It is done.
        Succeeded = "succeeded",
        /// All attempts failed, or it was rejected.
        Failed = "failed",
        /// The run ended before it did.
        Cancelled = "cancelled",
        /// It lies on a branch that was not taken.
        Skipped = "skipped",
    }
);

impl NodeStatus {
    /// Whether the node is done with, one way or another.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::Skipped)
    }
}

/// How a node was left: which of its outgoing edges are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Exit {
    /// By its plain edges.
    #[default]
    Normal,
    /// By the edge of a case, counted in the order of the decision's `cases`.
    Case(u16),
    /// By its `onError` route.
    Error,
    /// By its `onReject` route.
    Rejected,
    /// By its `onTimeout` route.
    Expired,
}

impl Exit {
    /// The exit by the case at a position.
    pub fn case(position: usize) -> Self {
        // A spec of 1 MB cannot hold 65,536 cases of 16 bytes and more each.
        Self::Case(u16::try_from(position).unwrap_or(u16::MAX))
    }
}

/// What a run remembers of one node; payloads are elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeState {
    /// Where it stands.
    pub status: NodeStatus,
    /// How it was left, once it is done.
    pub exit: Exit,
    /// Attempts begun.
    pub attempts: u32,
    /// When the first attempt began; kept while the node is under way.
    pub started_at: Option<Time>,
    /// A running node that waits: when its turn comes again. An open gate: its deadline.
    pub due: Option<Time>,
}

impl NodeState {
    /// A node whose turn has not come.
    pub const PENDING: Self = Self { status: NodeStatus::Pending, exit: Exit::Normal, attempts: 0, started_at: None, due: None };

    /// Whether it waits for a time: that of its next attempt, or the one a `wait` names.
    pub fn waits_for_clock(&self) -> bool {
        self.status == NodeStatus::Running && self.due.is_some()
    }

    /// Whether an attempt is under way.
    pub fn is_under_way(&self) -> bool {
        self.status == NodeStatus::Running && self.due.is_none()
    }
}

/// The state of every node, by position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress(Vec<NodeState>);

impl Progress {
    /// Nothing has happened yet.
    pub fn new(nodes: usize) -> Self {
        Self(vec![NodeState::PENDING; nodes])
    }

    /// States read back from a store.
    pub fn from_states(states: Vec<NodeState>) -> Self {
        Self(states)
    }

    /// A node's state.
    pub fn get(&self, ix: NodeIx) -> NodeState {
        self.0.get(ix.position()).copied().unwrap_or(NodeState::PENDING)
    }

    pub(super) fn set(&mut self, ix: NodeIx, state: NodeState) {
        if let Some(slot) = self.0.get_mut(ix.position()) {
            *slot = state;
        }
    }

    /// All states, in the order of the spec.
    pub fn states(&self) -> &[NodeState] {
        &self.0
    }

    pub(super) fn states_mut(&mut self) -> impl Iterator<Item = &mut NodeState> {
        self.0.iter_mut()
    }

    /// The nodes in a given status.
    pub fn with_status(&self, status: NodeStatus) -> impl Iterator<Item = NodeIx> + '_ {
        self.0.iter().enumerate().filter(move |(_, state)| state.status == status).map(|(at, _)| NodeIx::new(at))
    }
}
