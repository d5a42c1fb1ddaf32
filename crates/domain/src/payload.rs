//! Payloads: JSON values that are stored in a record, or in object storage if they are large.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json::CanonicalJson;

/// A payload with more bytes of canonical JSON than this is kept in object storage.
pub const MAX_INLINE_BYTES: usize = 100 * 1024;

/// A JSON value in a record, or a reference to an object that holds it.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// The value itself.
    Inline(CanonicalJson),
    /// A reference to the object.
    Stored(ObjectRef),
}

impl Payload {
    /// Returns a payload of a value that has not been stored yet.
    pub fn of(value: Value) -> Self {
        Self::Inline(CanonicalJson::from(value))
    }

    /// Returns the value, if it is inline.
    pub fn value(&self) -> Option<&Arc<Value>> {
        match self {
            Self::Inline(json) => Some(json),
            Self::Stored(_) => None,
        }
    }

    /// Returns the number of bytes of the canonical JSON.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Inline(json) => json.text().len(),
            Self::Stored(object) => usize::try_from(object.bytes).unwrap_or(usize::MAX),
        }
    }

    /// Returns the SHA-256 of the canonical JSON in lower-case hex.
    pub fn sha256(&self) -> String {
        match self {
            Self::Inline(json) => json.sha256().to_owned(),
            Self::Stored(object) => object.sha256.clone(),
        }
    }
}

/// A payload in object storage: canonical JSON, under a key that ends with its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRef {
    /// The key of the object.
    pub key: String,
    /// The number of bytes of the object.
    pub bytes: u64,
    /// The SHA-256 of the object in lower-case hex.
    pub sha256: String,
}
