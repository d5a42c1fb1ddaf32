//! A spec after its parts were read, and before they are checked against each other.

use std::collections::BTreeSet;

use super::node::{Node, Route};
use crate::name::NodeId;
use crate::template::Template;

/// An edge as the spec has it.
pub(super) struct RawEdge {
    pub(super) path: String,
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    pub(super) case: Option<String>,
}

/// The parts of a spec.
pub(super) struct RawSpec {
    pub(super) start: Option<NodeId>,
    /// The nodes that could be read, each with its path.
    pub(super) nodes: Vec<(String, Node)>,
    pub(super) edges: Vec<RawEdge>,
    pub(super) defaults: Defaults,
    /// The template of the run's output, if the spec has one.
    pub(super) output: Option<Template>,
    /// Whether a node or an edge could not be read: rules about the whole graph would then report errors that follow from it.
    pub(super) incomplete: bool,
    /// The ids of the nodes that could not be read. They exist, whatever else is wrong with them.
    pub(super) unread: BTreeSet<String>,
}

/// The routes of gates that have none of their own.
pub(super) struct Defaults {
    pub(super) on_reject: Route,
    pub(super) on_timeout: Route,
}
