//! Which approval a decision is about, and what it is bound to.

use super::record::Gate;
use crate::flow::Spec;
use crate::id::ApprovalId;
use crate::name::NodeId;

/// What a request to decide says of the approval that it means. A request that says nothing decides only where nothing else can be meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DecisionTarget {
    /// The node.
    pub node: Option<NodeId>,
    /// The approval.
    pub approval: Option<ApprovalId>,
    /// The SHA-256 of what the reviewer was shown.
    pub shown_sha256: Option<String>,
}

impl DecisionTarget {
    /// Returns the target that names only a node.
    pub fn at(node: NodeId) -> Self {
        Self { node: Some(node), ..Self::default() }
    }
}

/// An approval that waits for a decision, as a refused request lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenApproval {
    /// The approval.
    pub id: ApprovalId,
    /// Its node.
    pub node: NodeId,
    /// What the reviewer is asked to allow, in words.
    pub action_label: String,
    /// Its round.
    pub round: u32,
    /// The SHA-256 of what is shown of it.
    pub shown_sha256: Option<String>,
}

impl OpenApproval {
    /// Returns a gate as it is listed.
    pub fn of(gate: &Gate, spec: &Spec) -> Self {
        Self {
            id: gate.id,
            node: gate.node.clone(),
            action_label: gate.action_label.clone(),
            round: gate.basis.round,
            shown_sha256: gate.shown_sha256(spec),
        }
    }
}

/// The reason why a request decides nothing, with what the caller needs to ask the reviewer again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotBound {
    /// What is wrong.
    pub message: String,
    /// What has changed since the reviewer was shown it. Empty if nothing is known to have changed.
    pub changed: Vec<String>,
    /// The approvals that are open in the run.
    pub open: Vec<OpenApproval>,
}
