//! A run that is run again: a new run, which takes over what the one before it had finished.

use std::collections::BTreeSet;

use super::{Exit, NodeStatus, Run, RunStatus, TransitionError};
use crate::flow::{NodeId, NodeIx, Spec};
use crate::id::RunId;
use crate::time::Time;

/// Where a run that repeats another one comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    /// The run that it repeats.
    pub of: RunId,
    /// The first run of the chain. Idempotency-Keys are made from it, so that a service recognises what it is sent again.
    pub root: RunId,
    /// The node to begin again with; none: the first one that did not succeed.
    pub from: Option<NodeId>,
    /// Who started the runs before it: a rule that shuts out whoever started a run means them too.
    pub starters: BTreeSet<String>,
}

impl Run {
    /// What a retry of this run by somebody else remembers of it; only a run that failed or was cancelled can be retried.
    pub fn retried(&self, from: Option<NodeId>) -> Result<Retried, TransitionError> {
        if !matches!(self.status, RunStatus::Failed | RunStatus::Cancelled) {
            return Err(TransitionError::NotToRetry(self.status));
        }
        let starters = self.starters().into_iter().map(str::to_owned).collect();
        Ok(Retried { of: self.id, root: self.root(), from, starters })
    }

    /// The first run of the chain of retries that this run belongs to; the run itself if it is no retry.
    pub fn root(&self) -> RunId {
        self.retried.as_ref().map_or(self.id, |retried| retried.root)
    }

    /// Everybody who started this run or one that it repeats.
    pub fn starters(&self) -> BTreeSet<&str> {
        let earlier = self.retried.iter().flat_map(|retried| retried.starters.iter().map(String::as_str));
        earlier.chain([self.started_by.as_str()]).collect()
    }

    /// A gate that was decided in the run before this one counts here as well, and is left the same way.
    pub fn take_over_gate(&mut self, spec: &Spec, ix: NodeIx, exit: Exit, now: Time) -> Result<(), TransitionError> {
        self.may_work(spec, ix)?;
        self.leave(ix, NodeStatus::Succeeded, exit);
        self.settle(spec, now);
        Ok(())
    }
}

/// The nodes that a retry takes over of the run before it instead of doing them again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reuse(BTreeSet<NodeIx>);

impl Reuse {
    /// What a run of `spec` can take over of `before`, a run of `old`, if it begins again with `from`.
    ///
    /// A node is taken over if it is the same node with the same ways into it, was left for good (it succeeded, or its
    /// `onError` route dealt with its failure), and everything upstream of it is as it was.
    pub fn of(before: &Run, old: &Spec, spec: &Spec, from: Option<&NodeId>) -> Self {
        let mut as_it_was = BTreeSet::new();
        let mut reused = BTreeSet::new();
        for ix in spec.order() {
            let node = spec.node(ix);
            let then = old.position(&node.id).filter(|then| old.node(*then) == node && entries(old, *then) == entries(spec, ix));
            let upstream_is = spec.incoming(ix).iter().all(|edge| as_it_was.contains(&edge.from));
            let Some(then) = then.filter(|_| upstream_is && from != Some(&node.id)) else { continue };
            let state = before.progress.get(then);
            match (state.status, state.exit) {
                (NodeStatus::Succeeded, _) | (NodeStatus::Failed, Exit::Error) => _ = reused.insert(ix),
                (NodeStatus::Skipped, _) => {}
                _ => continue,
            }
            as_it_was.insert(ix);
        }
        Self(reused)
    }

    /// Whether a node is taken over.
    pub fn contains(&self, ix: NodeIx) -> bool {
        self.0.contains(&ix)
    }
}

/// The ways into a node, by name.
fn entries(spec: &Spec, ix: NodeIx) -> BTreeSet<(&NodeId, Exit)> {
    spec.incoming(ix).iter().map(|edge| (&spec.node(edge.from).id, edge.exit)).collect()
}
