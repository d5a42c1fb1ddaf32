//! Actions: what an approval proposes and what is executed once it is approved.

use serde_json::Value;

use crate::json::CanonicalJson;
use crate::payload::Payload;

/// The most bytes of canonical JSON that a proposed action and the data shown with it may have together, and an override by itself.
pub const MAX_ACTION_BYTES: usize = 1024 * 1024;

/// An action of at most [`MAX_ACTION_BYTES`], with its canonical text and hash: what is shown, decided, hashed, stored and sent are
/// the same bytes. It is made once, where the action enters, and that is the only place where the limit is checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Action(CanonicalJson);

/// The error for an action that is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("has {bytes} bytes, more than the {MAX_ACTION_BYTES} that it may have")]
pub struct ActionTooLarge {
    /// The bytes of the action, together with those of the data that is shown with it.
    pub bytes: usize,
}

impl Action {
    /// Makes an action. Fails if it is too large.
    pub fn new(value: Value) -> Result<Self, ActionTooLarge> {
        Self::shown_with(value, None)
    }

    /// Makes an action that is shown to a reviewer together with `data`. Fails if the two are too large together.
    pub fn shown_with(value: Value, data: Option<&CanonicalJson>) -> Result<Self, ActionTooLarge> {
        let action = Self(CanonicalJson::from(value));
        let bytes = action.canonical().len() + data.map_or(0, |data| data.text().len());
        if bytes > MAX_ACTION_BYTES { Err(ActionTooLarge { bytes }) } else { Ok(action) }
    }

    /// Returns the value.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// Returns the canonical JSON.
    pub fn canonical(&self) -> &str {
        self.0.text()
    }

    /// Returns the SHA-256 of the canonical JSON in lower-case hex.
    pub fn sha256(&self) -> &str {
        self.0.sha256()
    }
}

impl From<Action> for Payload {
    fn from(action: Action) -> Self {
        Self::Inline(action.0)
    }
}
