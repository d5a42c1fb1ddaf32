//! The name of a step: its node, and the round in which the node is executed.

use std::fmt;

use crate::name::NodeId;

/// A node in one of its rounds. A node is in its first round, unless a reviewer has requested changes and it is done again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepKey {
    /// The node.
    pub node: NodeId,
    /// The round, counted from 1.
    pub round: u32,
}

impl StepKey {
    /// Returns the key of a node in a round.
    pub fn new(node: &NodeId, round: u32) -> Self {
        Self { node: node.clone(), round }
    }
}

impl fmt::Display for StepKey {
    /// Writes `draft`, or `draft@R2` in a later round: no node of a spec has an `@` in its name. What is stored and what ids are derived
    /// from has this form, so that the first round is stored as it was before there were rounds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, round } = self;
        if *round <= 1 { write!(f, "{node}") } else { write!(f, "{node}@R{round}") }
    }
}
