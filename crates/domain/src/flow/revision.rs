//! What is done again when a reviewer requests changes.

use std::collections::BTreeSet;

use super::node::{Approval, NodeKind, Revise};
use super::spec::{NodeIx, Spec};

/// The part of a flow that is done again when changes are requested at a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// The `llm_step` whose draft is revised.
    pub draft: NodeIx,
    /// The nodes that are done again: the draft, the gate, everything between them, and the nodes of `beside`.
    pub again: BTreeSet<NodeIx>,
    /// The nodes after the draft that neither lead to the gate nor come after it. A run that waits at the gate has skipped them; in the
    /// next round it may take them.
    pub beside: BTreeSet<NodeIx>,
}

impl Spec {
    /// Returns what is done again when changes are requested at a gate; none if the gate has no `revise`, or one that names no `llm_step`
    /// upstream of it.
    pub fn revision(&self, gate: NodeIx) -> Option<Revision> {
        let NodeKind::Approval(Approval { revise: Some(Revise { node, .. }), .. }) = &self.node(gate).kind else { return None };
        let draft = self.position(node).filter(|draft| matches!(self.node(*draft).kind, NodeKind::Llm(_)))?;
        let (upstream, downstream) = (self.upstream_of(gate), self.downstream_of(gate));
        if !upstream.contains(&draft) {
            return None;
        }
        let mut again = self.downstream_of(draft);
        again.insert(draft);
        again.retain(|ix| !downstream.contains(ix));
        let beside = again.iter().copied().filter(|ix| *ix != gate && !upstream.contains(ix)).collect();
        Some(Revision { draft, again, beside })
    }

    /// Returns the revisions of all gates that have one.
    pub fn revisions(&self) -> impl Iterator<Item = Revision> + '_ {
        self.order().filter_map(|ix| self.revision(ix))
    }

    /// Returns the nodes that a node leads to.
    fn downstream_of(&self, ix: NodeIx) -> BTreeSet<NodeIx> {
        let mut downstream = BTreeSet::new();
        for next in self.order() {
            if self.incoming(next).iter().any(|edge| edge.from == ix || downstream.contains(&edge.from)) {
                downstream.insert(next);
            }
        }
        downstream
    }
}
