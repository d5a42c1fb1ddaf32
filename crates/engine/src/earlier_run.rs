//! The earlier run that a retry repeats.

use std::collections::BTreeMap;

use domain::flow::{NodeId, NodeIx, Spec};
use domain::id::RunId;
use domain::ports::{PortError, Runs, spec_for};
use domain::run::{Exit, Retried, Reuse, Run};

use crate::{Engine, Ports};

/// An earlier run, and the nodes that the retry takes over from it.
pub(crate) struct EarlierRun {
    pub(crate) run: Run,
    spec: Spec,
    reuse: Reuse,
    /// The rounds in which the nodes of the retry have begun.
    rounds: BTreeMap<NodeId, u32>,
}

impl EarlierRun {
    /// Whether the retry takes this node over instead of doing it again. What is revised in the retry itself is done again.
    pub(crate) fn reuses(&self, retry: &Run, spec: &Spec, ix: NodeIx) -> bool {
        let node = &spec.node(ix).id;
        self.reuse.contains(ix) && retry.round_of(node) == self.rounds.get(node).copied().unwrap_or(1)
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
        Ok(Some(EarlierRun { run: earlier, spec: old, reuse, rounds }))
    }
}

/// Returns the error of a retry whose outputs to take over are gone.
pub(crate) fn no_longer_kept(node: &NodeId, run: &RunId) -> String {
    format!("what `{node}` put out in {run} is no longer kept; retry from there, or start a new run")
}
