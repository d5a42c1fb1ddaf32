//! The difference between what was proposed and what was decided.

use serde_json::{Value, json};

use super::Gate;
use crate::json::{canonical, length_up_to};
use crate::step::{MAX_INLINE_BYTES, Payload};

/// A JSON Patch of more bytes than this is neither kept nor shown: whoever wants it has both actions to make it of.
pub const MAX_PATCH_BYTES: usize = 100 * 1024;

impl Gate {
    /// The JSON Patch (RFC 6902) that makes the decided action of the proposed one; none while the gate is open, and none if it
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

    /// The patch to `action`, if it has to be kept: one of the two may come to lie beside the record, and is not read for it again.
    pub(super) fn patch_to_keep(&self, action: &Value) -> Option<Value> {
        let proposed = self.proposed_action.value()?;
        let bytes = self.proposed_action.bytes() + self.data.as_ref().map_or(0, Payload::bytes) + canonical(action).len();
        if bytes > MAX_INLINE_BYTES { between(proposed, action) } else { None }
    }
}

fn between(before: &Value, after: &Value) -> Option<Value> {
    let patch = json_patch::diff(before, after);
    // BallotOutcome before it is made into a value: a patch of two arrays may be many times as large as they are.
    length_up_to(&patch, MAX_PATCH_BYTES)?;
    serde_json::to_value(patch).ok()
}
