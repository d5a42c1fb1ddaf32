//! What a retry remembers of the run that it repeats.

use std::collections::BTreeSet;

use crate::id::RunId;
use crate::name::NodeId;

/// The origin of a run that repeats another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    /// The run that it repeats.
    pub of: RunId,
    /// The first run of the chain. Idempotency-Keys are derived from it, so that a service recognises a repeated request.
    pub root: RunId,
    /// The node to begin with; none means the first node that did not succeed.
    pub from: Option<NodeId>,
    /// The actors who started the earlier runs of the chain: a rule that excludes the starter excludes them too.
    pub starters: BTreeSet<String>,
}
