//! The earlier run that a retry repeats.

use std::collections::BTreeMap;

use domain::flow::{NodeId, NodeIx, NodeKind, Spec};
use domain::gate::Gate;
use domain::id::RunId;
use domain::ports::{PortError, Runs, spec_for};
use domain::run::{Exit, NodeStatus, Retried, Reuse, Run};

use crate::{Engine, Ports};

/// An earlier run, and the nodes that the retry takes over from it.
pub(crate) struct EarlierRun {
    pub(crate) run: Run,
    spec: Spec,
    reuse: Reuse,
    /// The node that the retry begins with; none: the first one that did not succeed.
    from: Option<NodeId>,
    /// The rounds in which the nodes of the retry have begun.
    rounds: BTreeMap<NodeId, u32>,
}

impl EarlierRun {
    /// Whether the retry takes this node over instead of doing it again. What is revised in the retry itself is done again.
    pub(crate) fn reuses(&self, retry: &Run, spec: &Spec, ix: NodeIx) -> bool {
        let node = &spec.node(ix).id;
        self.reuse.contains(ix) && retry.round_of(node) == self.rounds.get(node).copied().unwrap_or(1)
    }

    /// Returns whether the earlier run may have decided an approval at this node.
    pub(crate) fn has_decision(&self, node: &NodeId) -> bool {
        let ix = self.spec.position(node).filter(|ix| matches!(self.spec.node(*ix).kind, NodeKind::Approval(_)));
        ix.is_some_and(|ix| matches!(self.run.progress.get(ix).status, NodeStatus::Succeeded | NodeStatus::Failed))
    }

    /// Returns whether the decision at this node may be taken over: the earlier run went on from it, and the retry does not begin at the
    /// node or before it.
    pub(crate) fn lets_take_over(&self, spec: &Spec, ix: NodeIx) -> bool {
        let from = self.from.as_ref().and_then(|from| spec.position(from));
        let begins_before = from.is_some_and(|from| from == ix || spec.upstream_of(ix).contains(&from));
        let then = self.spec.position(&spec.node(ix).id);
        !begins_before && then.is_some_and(|then| self.run.progress.get(then).status == NodeStatus::Succeeded)
    }

    /// Returns what has changed since the decision in what a reviewer would be shown: `now` is the gate that would be opened, `then` the
    /// decided one. A step after the approval that had succeeded and has changed counts too, if a step with an effect reads it; one that
    /// failed is being mended.
    pub(crate) fn changes(&self, spec: &Spec, ix: NodeIx, now: &Gate, then: &Gate) -> Vec<String> {
        let mut now = now.clone();
        if then.basis.base_urls.is_none() {
            // An earlier version opened the gate, and did not show base URLs.
            now.basis.base_urls = None;
        }
        let (Some(shown), Some(earlier)) = (now.shown(spec), then.shown(&self.spec)) else { return vec!["rules".to_owned()] };
        let mut changes = shown.changes_since(&earlier);
        for source in spec.sources_after(ix) {
            let node = spec.node(source);
            let had_succeeded = |then: &NodeIx| self.run.progress.get(*then).status == NodeStatus::Succeeded;
            if self.spec.position(&node.id).filter(had_succeeded).is_some_and(|then| self.spec.node(then).kind != node.kind) {
                changes.push(format!("steps.{}", node.id));
            }
        }
        changes
    }

    /// Returns how the earlier run left a node.
    pub(crate) fn exit_of(&self, node: &NodeId) -> Exit {
        self.spec.position(node).map(|ix| self.run.progress.get(ix).exit).unwrap_or_default()
    }
}

impl<P: Ports> Engine<P> {
    /// Returns the run that `run` repeats, if it repeats one.
    pub(crate) async fn earlier_run(&self, run: &Run, spec: &Spec) -> Result<Option<EarlierRun>, PortError> {
        let Some(Retried { of, from, .. }) = &run.retried else { return Ok(None) };
        let earlier = self.runs.load(of).await?;
        let earlier = earlier.ok_or_else(|| PortError::Corrupt(format!("{} repeats {of}, which is not there", run.id)))?;
        let old = spec_for(&self.flows, &earlier).await?;
        let reuse = Reuse::of(&earlier, &old, spec, from.as_ref());
        let rounds = reuse.rounds(&earlier, spec);
        Ok(Some(EarlierRun { run: earlier, spec: old, reuse, rounds, from: from.clone() }))
    }
}

/// Returns the error of a retry whose outputs to take over are gone.
pub(crate) fn no_longer_kept(node: &NodeId, run: &RunId) -> String {
    format!("what `{node}` put out in {run} is no longer kept; retry from there, or start a new run")
}
