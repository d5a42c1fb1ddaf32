//! The difference between the proposed and the decided action.

use serde_json::{Value, json};

use super::action::Action;
use super::record::Gate;
use crate::json::length_up_to;
use crate::payload::{MAX_INLINE_BYTES, Payload};
use crate::status::Verdict;

/// A JSON Patch with more bytes than this is neither kept nor shown: a caller can compute it from the two actions.
pub const MAX_PATCH_BYTES: usize = 100 * 1024;

impl Gate {
    /// Returns the JSON Patch (RFC 6902) from the proposed to the decided action; none while the gate is open, and none if the patch
    /// has more than [`MAX_PATCH_BYTES`].
    pub fn patch(&self) -> Option<Value> {
        let outcome = self.outcome.as_ref()?;
        self.patch_to(&outcome.decided_action, outcome.patch.as_ref())
    }

    /// Returns the JSON Patch from the proposed action to the one that the votes are for; none if the patch has more than
    /// [`MAX_PATCH_BYTES`].
    pub fn voted_patch(&self) -> Option<Value> {
        match &self.edited {
            Some(edited) => self.patch_to(&edited.action, edited.patch.as_ref()),
            None if self.outcome.as_ref().is_some_and(|outcome| outcome.verdict == Verdict::Approved) => self.patch(),
            None => Some(json!([])),
        }
    }

    /// Returns the patch from the proposed action to `action`. `kept` is the patch that was stored with it.
    fn patch_to(&self, action: &Payload, kept: Option<&Value>) -> Option<Value> {
        if action.sha256() == self.proposed_action.sha256() {
            return Some(json!([]));
        }
        kept.cloned().or_else(|| between(self.proposed_action.value()?, action.value()?))
    }

    /// Returns the patch to `action` if it has to be kept: one of the two may be offloaded, and is not fetched again to show the patch.
    pub(super) fn patch_to_keep(&self, action: &Action) -> Option<Value> {
        let proposed = self.proposed_action.value()?;
        let bytes = self.proposed_action.bytes() + self.data.as_ref().map_or(0, Payload::bytes) + action.canonical().len();
        if bytes > MAX_INLINE_BYTES { between(proposed, action.value()) } else { None }
    }
}

fn between(before: &Value, after: &Value) -> Option<Value> {
    let patch = json_patch::diff(before, after);
    // The bytes are counted before the patch becomes a value: a patch of two arrays may be many times as large as they are.
    length_up_to(&patch, MAX_PATCH_BYTES)?;
    serde_json::to_value(patch).ok()
}
