//! What an approval rests on, as it was when it opened.

use std::collections::BTreeSet;

use crate::flow::{BaseUrls, Quorum};
use crate::id::RunId;

/// What an approval rests on besides its question. Approvals that were opened by an earlier version have less of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    /// The version of the flow that the run executes. None if an earlier version opened the approval: the run says it.
    pub flow_version: Option<u32>,
    /// The round, from 1: how often the run has asked at this node.
    pub round: u32,
    /// The base URL of each service that the steps after the approval send through. None if an earlier version opened the approval: it
    /// did not show them.
    pub base_urls: Option<BaseUrls>,
    /// The actors who may not decide because the flow has `requireDifferentActor`. Empty if it has not.
    pub barred: BTreeSet<String>,
    /// The quorum, if it is by groups: then it says who may decide, and the inbox asks for that. Who must approve is in the flow.
    pub quorum: Option<Quorum>,
    /// The decision of the run that this run repeats, if it was not taken over because something has changed since.
    pub earlier: Option<EarlierDecision>,
}

impl Default for Basis {
    /// Returns the basis of an approval of which nothing more is known.
    fn default() -> Self {
        Self { flow_version: None, round: 1, base_urls: None, barred: BTreeSet::new(), quorum: None, earlier: None }
    }
}

/// A decision that a retry has not taken over. The record of the decision is that of the approval at the same node of the earlier run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierDecision {
    /// The run in which it was made.
    pub run: RunId,
    /// What has changed since in what is shown, such as `destinations.pay.path` or `proposedAction/amount`.
    pub changed: Vec<String>,
}
