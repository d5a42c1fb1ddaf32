//! A checked spec: nodes by position, edges by node, an order in which upstream comes first.

use std::collections::BTreeMap;

use super::graph::Edge;
use super::{Node, NodeId};

/// A node's position in its spec. A run remembers its nodes by position, which takes a byte each instead of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIx(usize);

impl NodeIx {
    pub(crate) fn new(position: usize) -> Self {
        Self(position)
    }

    /// Position in `spec.nodes`, from 0.
    pub fn position(self) -> usize {
        self.0
    }
}

/// A spec that passed [`Spec::parse`]: its graph is a DAG that starts at one node and reaches all of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    pub(super) start: NodeIx,
    pub(super) nodes: Vec<Node>,
    pub(super) positions: BTreeMap<NodeId, NodeIx>,
    /// Edges into each node, by its position.
    pub(super) incoming: Vec<Vec<Edge>>,
    /// Every node, each after all that lead to it.
    pub(super) order: Vec<NodeIx>,
}

impl Spec {
    /// Where a run begins.
    pub fn start(&self) -> NodeIx {
        self.start
    }

    /// The node at a position.
    #[expect(clippy::indexing_slicing, reason = "positions are only made by this spec, which never shrinks")]
    pub fn node(&self, ix: NodeIx) -> &Node {
        &self.nodes[ix.0]
    }

    /// The position of a node.
    pub fn position(&self, id: &NodeId) -> Option<NodeIx> {
        self.positions.get(id).copied()
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// A parsed spec has at least one node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The edges into a node.
    pub fn incoming(&self, ix: NodeIx) -> &[Edge] {
        self.incoming.get(ix.0).map_or(&[], Vec::as_slice)
    }

    /// Every node, each after all that lead to it.
    pub fn order(&self) -> impl DoubleEndedIterator<Item = NodeIx> + '_ {
        self.order.iter().copied()
    }
}
