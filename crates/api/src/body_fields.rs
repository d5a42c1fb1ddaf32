//! The small bodies of actions on runs.

use std::fmt::Display;
use std::str::FromStr;

use domain::flow::NodeId;
use domain::gate::DecisionTarget;
use domain::id::ApprovalId;
use domain::problem::FieldErrors;
use serde_json::{Map, Value};

use crate::{ApiError, ApiRequest};

/// The maximum size of such a body, in bytes: a note and a few words.
const MAX_BYTES: usize = 128 * 1024;
/// The maximum length of a note or a reason, in bytes. A gate may hold twenty notes in addition to 200 KB of actions, and an item has
/// room for 400 KB.
const MAX_TEXT_BYTES: usize = 4_000;

/// The fields of a JSON body. Each is taken out by its name; a field that is left over at the end is an error.
#[derive(Debug)]
pub struct BodyFields {
    fields: Map<String, Value>,
    errors: FieldErrors,
}

impl BodyFields {
    /// Reads the body of a request. An absent body has no fields. Fails if the body is too large or is not a JSON object.
    pub fn of(request: &ApiRequest) -> Result<Self, ApiError> {
        Self::with_room(request, 0)
    }

    /// Reads a body that may have `bytes` more than the small ones.
    pub fn with_room(request: &ApiRequest, bytes: usize) -> Result<Self, ApiError> {
        Ok(Self { fields: request.json_object(MAX_BYTES + bytes)?, errors: FieldErrors::new() })
    }

    /// Takes a field of any type. `null` counts as absent.
    pub fn value(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a string of at most 4,000 bytes.
    pub fn text(&mut self, name: &str) -> Option<String> {
        match self.value(name)? {
            Value::String(text) if text.len() <= MAX_TEXT_BYTES => Some(text),
            _ => {
                self.errors.add(name, format!("must be a string of at most {MAX_TEXT_BYTES} bytes"));
                None
            }
        }
    }

    /// Takes a string that must be there and not be blank, of at most 4,000 bytes. Returns an empty text if it is not as it must be.
    pub fn required_text(&mut self, name: &str) -> String {
        let is_there = self.fields.get(name).is_some_and(|value| !value.is_null());
        let text = self.text(name);
        if !is_there || text.as_ref().is_some_and(|text| text.trim().is_empty()) {
            self.errors.add(name, "is required, and must not be blank");
        }
        text.unwrap_or_default()
    }

    /// Takes a SHA-256 in lower-case hex.
    pub fn sha256(&mut self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        if text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Some(text);
        }
        self.errors.add(name, "must be a SHA-256: 64 hexadecimal digits in lower case");
        None
    }

    /// Takes a boolean.
    pub fn switch(&mut self, name: &str) -> Option<bool> {
        let value = self.value(name)?;
        if value.as_bool().is_none() {
            self.errors.add(name, "must be true or false");
        }
        value.as_bool()
    }

    /// Takes one of `words`.
    pub fn word(&mut self, name: &str, words: &[&'static str]) -> Option<&'static str> {
        let value = self.value(name)?;
        let word = words.iter().copied().find(|word| value == *word);
        if word.is_none() {
            self.errors.add(name, format!("must be one of: {}", words.join(", ")));
        }
        word
    }

    /// Takes the id of a node.
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

    /// Takes what a body says of the approval that it means: `approvalId`, `nodeId` and `shownSha256`.
    pub fn decision_target(&mut self) -> DecisionTarget {
        DecisionTarget { node: self.node("nodeId"), approval: self.approval("approvalId"), shown_sha256: self.sha256("shownSha256") }
    }

    /// Takes the id of an approval.
    fn approval(&mut self, name: &str) -> Option<ApprovalId> {
        let text = self.text(name)?;
        match text.parse() {
            Ok(approval) => Some(approval),
            Err(problem) => {
                self.errors.add(name, problem);
                None
            }
        }
    }

    /// Takes a required string that parses as `T`.
    pub fn required<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let has_problem = |errors: &FieldErrors| errors.by_path().contains_key(name);
        let Some(text) = self.text(name) else {
            if !has_problem(&self.errors) {
                self.errors.add(name, "is required");
            }
            return None;
        };
        text.parse().map_err(|problem| self.errors.add(name, problem)).ok()
    }

    /// Returns the error for a body in which a required field is missing or wrong. All other fields that belong into it must have been taken.
    pub fn into_error(self) -> ApiError {
        self.finish().err().unwrap_or_else(|| FieldErrors::new().into())
    }

    /// Fails with all problems at once. A field that was not taken is one of them: a misspelt `proposedActionOverride` must not
    /// approve the original.
    pub fn finish(mut self) -> Result<(), ApiError> {
        for name in self.fields.keys() {
            self.errors.add(name.as_str(), "is not a field that belongs here");
        }
        Ok(self.errors.into_result(())?)
    }
}
