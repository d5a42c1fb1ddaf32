//! The difference between the proposed and the decided action.

use serde_json::{Value, json};

use super::action::Action;
use super::record::Gate;
use crate::json::length_up_to;
use crate::payload::{MAX_INLINE_BYTES, Payload};

/// A JSON Patch with more bytes than this is neither kept nor shown: a caller can compute it from the two actions.
pub const MAX_PATCH_BYTES: usize = 100 * 1024;

impl Gate {
    /// Returns the JSON Patch (RFC 6902) from the proposed to the decided action; none while the gate is open, and none if the patch
    /// has more than [`MAX_PATCH_BYTES`].
    pub fn patch(&self) -> Option<Value> {
        let outcome = self.outcome.as_ref()?;
        if outcome.is_as_proposed() {
            return Some(json!([]));
        }
        if outcome.patch.is_some() {
            return outcome.patch.clone();
        }
        between(self.proposed_action.value()?, outcome.decided_action.value()?)
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
