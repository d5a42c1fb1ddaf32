//! The question that a gate asks.

use super::action::Action;
use crate::access::Assignee;
use crate::json::CanonicalJson;

/// The most bytes that the label of an action may have, and the name of an assignee.
pub const MAX_LABEL_BYTES: usize = 4_000;

/// The question that a gate asks, with its templates filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// What the reviewer is asked to allow, in words.
    pub action_label: String,
    /// The proposed action.
    pub proposed_action: Action,
    /// The data that the reviewer sees with the action.
    pub data: Option<CanonicalJson>,
    /// Who may decide; none means every key with `runs:write`.
    pub assign_to: Option<Assignee>,
    /// How long the gate stays open, in seconds.
    pub timeout_seconds: u64,
}
