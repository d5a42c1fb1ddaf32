//! The exits of a node.

/// The exit by which a node was left. It decides which of the node's outgoing edges are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Exit {
    /// The plain edges are taken.
    #[default]
    Normal,
    /// The edge of a case is taken. Cases are counted in the order of the decision's `cases`.
    Case(u16),
    /// The `onError` route is taken.
    Error,
    /// The `onReject` route is taken.
    Rejected,
    /// The `onTimeout` route is taken.
    Expired,
}

impl Exit {
    /// Returns the exit by the case at a position.
    pub fn case(position: usize) -> Self {
        // A spec of 1 MB cannot hold 65,536 cases of 16 bytes and more each.
        Self::Case(u16::try_from(position).unwrap_or(u16::MAX))
    }
}
