//! Retries: a new run that takes over what the run before it had finished.

use std::collections::{BTreeMap, BTreeSet};

use super::record::{Run, TransitionError};
use super::retried::Retried;
use crate::flow::{Exit, NodeIx, Spec};
use crate::id::RunId;
use crate::name::NodeId;
use crate::status::{NodeStatus, RunStatus};

impl Run {
    /// Returns what a retry of this run remembers of it. Fails unless the run failed or was cancelled.
    pub fn retried(&self, from: Option<NodeId>) -> Result<Retried, TransitionError> {
        if !matches!(self.status, RunStatus::Failed | RunStatus::Cancelled) {
            return Err(TransitionError::NotToRetry(self.status));
        }
        let starters = self.starters().into_iter().map(str::to_owned).collect();
        Ok(Retried { of: self.id, root: self.root(), from, starters })
    }

    /// Returns the first run of the chain of retries that this run belongs to; the run itself if it is not a retry.
    pub fn root(&self) -> RunId {
        self.retried.as_ref().map_or(self.id, |retried| retried.root)
    }

    /// Returns the actors who started this run and the runs that it repeats, with all their principals.
    pub fn starters(&self) -> BTreeSet<&str> {
        let earlier = self.retried.iter().flat_map(|retried| &retried.starters);
        earlier.chain(&self.starter_principals).chain([&self.started_by]).map(String::as_str).collect()
    }
}

/// The nodes that a retry takes over from the run before it instead of executing them again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reuse {
    reused: BTreeSet<NodeIx>,
    /// The nodes that are not taken over although everything upstream of them is unchanged, and those that are.
    upstream_is_unchanged: BTreeSet<NodeIx>,
}

impl Reuse {
    /// Returns what a run of `spec` can take over from `before`, a run of `old`, if it begins again with `from`.
    ///
    /// A node is taken over if it is the same node with the same edges into it, it has finished (it succeeded, or its `onError` route
    /// handled its failure), and everything upstream of it is unchanged.
    pub fn of(before: &Run, old: &Spec, spec: &Spec, from: Option<&NodeId>) -> Self {
        let mut unchanged = BTreeSet::new();
        let (mut reused, mut upstream_is_unchanged) = (BTreeSet::new(), BTreeSet::new());
        for ix in spec.order() {
            let node = spec.node(ix);
            let then = old.position(&node.id).filter(|then| old.node(*then) == node && entries(old, *then) == entries(spec, ix));
            let upstream_is = spec.incoming(ix).iter().all(|edge| unchanged.contains(&edge.from));
            if upstream_is {
                upstream_is_unchanged.insert(ix);
            }
            let Some(then) = then.filter(|_| upstream_is && from != Some(&node.id)) else { continue };
            let state = before.progress.get(then);
            match (state.status, state.exit) {
                (NodeStatus::Succeeded, _) | (NodeStatus::Failed, Exit::Error) => _ = reused.insert(ix),
                (NodeStatus::Skipped, _) => {}
                _ => continue,
            }
            unchanged.insert(ix);
        }
        Self { reused, upstream_is_unchanged }
    }

    /// Returns whether a node is taken over.
    pub fn contains(&self, ix: NodeIx) -> bool {
        self.reused.contains(&ix)
    }

    /// Returns the rounds in which the nodes of the retry begin, as [`Run::rounds`]: what was revised in the run before is not revised from
    /// its first round again. If something before a draft is not taken over, the draft is another one, and its rounds begin anew.
    pub fn rounds(&self, before: &Run, spec: &Spec) -> BTreeMap<NodeId, u32> {
        let drafts = spec.revisions().filter(|revision| self.upstream_is_unchanged.contains(&revision.draft));
        let again: BTreeSet<NodeIx> = drafts.flat_map(|revision| revision.again).collect();
        let nodes = again.into_iter().map(|ix| &spec.node(ix).id);
        nodes.map(|node| (node.clone(), before.round_of(node))).filter(|(_, round)| *round > 1).collect()
    }
}

/// Returns the edges into a node, by the names of the nodes that they come from.
fn entries(spec: &Spec, ix: NodeIx) -> BTreeSet<(&NodeId, Exit)> {
    spec.incoming(ix).iter().map(|edge| (&spec.node(edge.from).id, edge.exit)).collect()
}
