//! What a run may do next.

use super::record::Run;
use crate::flow::{Edge, Exit, NodeIx, Spec};
use crate::status::NodeStatus;
use crate::time::Time;

/// What a run can do next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The nodes that may begin or continue, in topological order.
    pub ready: Vec<NodeIx>,
    /// The open gates for which the clock has something to do: an escalation, a reminder or an expiry.
    pub overdue: Vec<NodeIx>,
    /// The next time at which a node that waits or an open gate is due.
    pub wake_at: Option<Time>,
}

/// Whether a node may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// A node upstream has not finished.
    Undecided,
    /// Everything upstream has finished, and at least one edge into the node was taken.
    Open,
    /// Everything upstream has finished, and no edge into the node was taken.
    Closed,
}

pub(super) fn entry(run: &Run, spec: &Spec, ix: NodeIx) -> Entry {
    let edges = spec.incoming(ix);
    if !edges.iter().all(|edge| run.progress.get(edge.from).status.is_final()) {
        Entry::Undecided
    } else if ix == spec.start() || edges.iter().any(|edge| is_taken(run, *edge)) {
        Entry::Open
    } else {
        Entry::Closed
    }
}

fn is_taken(run: &Run, edge: Edge) -> bool {
    let from = run.progress.get(edge.from);
    match from.status {
        NodeStatus::Succeeded => from.exit == edge.exit,
        // A failed node is left by its error route or not at all.
        NodeStatus::Failed => from.exit == Exit::Error && edge.exit == Exit::Error,
        _ => false,
    }
}

impl Plan {
    /// Returns what `run` may do at `now`: nothing once it has ended, or once an error is ending it.
    pub fn of(run: &Run, spec: &Spec, now: Time) -> Self {
        let mut plan = Self::default();
        if run.has_ended() || run.error.is_some() {
            return plan;
        }
        for ix in spec.order() {
            let state = run.progress.get(ix);
            match (state.status, state.due) {
                (NodeStatus::Pending, _) if entry(run, spec, ix) == Entry::Open => plan.ready.push(ix),
                (NodeStatus::Running, Some(due)) if due <= now => plan.ready.push(ix),
                (NodeStatus::AwaitingApproval, Some(due)) if due <= now => plan.overdue.push(ix),
                (NodeStatus::Running | NodeStatus::AwaitingApproval, Some(due)) => {
                    plan.wake_at = Some(plan.wake_at.map_or(due, |earlier| earlier.min(due)));
                }
                _ => {}
            }
        }
        plan
    }
}
