//! A checked spec: nodes by position, edges by node, and an order in which upstream nodes come first.

use std::collections::BTreeMap;

use super::exit::Exit;
use super::node::Node;
use crate::name::NodeId;

/// The position of a node in its spec. A run stores its nodes by position, which takes a byte each instead of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIx(usize);

impl NodeIx {
    pub(crate) fn new(position: usize) -> Self {
        Self(position)
    }

    /// Returns the position in `spec.nodes`, from 0.
    pub fn position(self) -> usize {
        self.0
    }
}

/// An edge into a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The node that the edge comes from.
    pub from: NodeIx,
    /// The exit of that node by which the edge is taken.
    pub exit: Exit,
}

/// A spec that passed [`Spec::parse`]: its graph is a DAG that begins at one node and reaches all of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    pub(super) start: NodeIx,
    pub(super) nodes: Vec<Node>,
    pub(super) positions: BTreeMap<NodeId, NodeIx>,
    /// The edges into each node, by its position.
    pub(super) incoming: Vec<Vec<Edge>>,
    /// Every node, each after all nodes that lead to it.
    pub(super) order: Vec<NodeIx>,
}

impl Spec {
    /// Returns the node with which a run begins.
    pub fn start(&self) -> NodeIx {
        self.start
    }

    /// Returns the node at a position.
    #[expect(clippy::indexing_slicing, reason = "positions are only made by this spec, which never shrinks")]
    pub fn node(&self, ix: NodeIx) -> &Node {
        &self.nodes[ix.0]
    }

    /// Returns the node at a position in `spec.nodes`, from 0.
    pub fn at(&self, position: usize) -> Option<&Node> {
        self.nodes.get(position)
    }

    /// Returns the position of a node.
    pub fn position(&self, id: &NodeId) -> Option<NodeIx> {
        self.positions.get(id).copied()
    }

    /// Returns the number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns whether there are no nodes; a parsed spec has at least one.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Returns the edges into a node.
    pub fn incoming(&self, ix: NodeIx) -> &[Edge] {
        self.incoming.get(ix.0).map_or(&[], Vec::as_slice)
    }

    /// Returns every node, each after all nodes that lead to it.
    pub fn order(&self) -> impl DoubleEndedIterator<Item = NodeIx> + '_ {
        self.order.iter().copied()
    }
}
