//! The small bodies of actions on runs.

use domain::flow::NodeId;
use domain::problem::FieldErrors;
use serde_json::{Map, Value};

use crate::{ApiError, Call};

/// The most bytes such a body may have: a note, and a few words.
const MAX_BYTES: usize = 128 * 1024;
/// The longest note or reason. A gate may hold twenty notes beside 200 KB of actions, and an item has room for 400 KB.
const MAX_TEXT_BYTES: usize = 4_000;

/// A body whose fields are taken out one by one; what is left over is an error.
#[derive(Debug)]
pub struct Body {
    fields: Map<String, Value>,
    errors: FieldErrors,
}

impl Body {
    /// The body of a call; none is an empty one.
    pub fn of(call: &Call) -> Result<Self, ApiError> {
        Self::with_room(call, 0)
    }

    /// The body of a call that may have so many bytes more than the small ones.
    pub fn with_room(call: &Call, bytes: usize) -> Result<Self, ApiError> {
        Ok(Self { fields: call.json_object(MAX_BYTES + bytes)?, errors: FieldErrors::new() })
    }

    /// A field of any shape; `null` counts as left out.
    pub fn value(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name).filter(|value| !value.is_null())
    }

    /// A text of bounded length.
    pub fn text(&mut self, name: &str) -> Option<String> {
        match self.value(name)? {
            Value::String(text) if text.len() <= MAX_TEXT_BYTES => Some(text),
            _ => {
                self.errors.add(name, format!("must be a string of at most {MAX_TEXT_BYTES} bytes"));
                None
            }
        }
    }

    /// Yes or no.
    pub fn switch(&mut self, name: &str) -> Option<bool> {
        let value = self.value(name)?;
        if value.as_bool().is_none() {
            self.errors.add(name, "must be true or false");
        }
        value.as_bool()
    }

    /// One of some words.
    pub fn word(&mut self, name: &str, words: &[&'static str]) -> Option<&'static str> {
        let value = self.value(name)?;
        let word = words.iter().copied().find(|word| value == *word);
        if word.is_none() {
            self.errors.add(name, format!("must be one of: {}", words.join(", ")));
        }
        word
    }

    /// The name of a node.
    pub fn node(&mut self, name: &str) -> Option<NodeId> {
        let text = self.text(name)?;
        match text.parse() {
            Ok(node) => Some(node),
            Err(problem) => {
                self.errors.add(name, problem);
                None
            }
        }
    }

    /// All problems at once, fields that do not belong here among them: a misspelt `proposedActionOverride` must not
    /// approve the original.
    pub fn finish(mut self) -> Result<(), ApiError> {
        for name in self.fields.keys() {
            self.errors.add(name.as_str(), "is not a field that belongs here");
        }
        Ok(self.errors.into_result(())?)
    }
}
