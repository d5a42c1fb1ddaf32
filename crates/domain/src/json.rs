//! Canonical JSON: one way to turn a JSON value into bytes, so that a hash has one meaning everywhere.

use std::io;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

pub use exact_json::{MAX_DEPTH, depth_is_within};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A JSON value with its canonical text and the SHA-256 of that text. Both are computed when they are first needed, once for all
/// clones of the value.
#[derive(Clone)]
pub struct CanonicalJson(Arc<Inner>);

struct Inner {
    value: Arc<Value>,
    text: OnceLock<String>,
    sha256: OnceLock<String>,
}

impl CanonicalJson {
    /// Reads a text that [`canonical`] made, and keeps it as the canonical text of the value: the hash stays that of the stored bytes,
    /// whatever version of this code wrote them. Fails if the text is not JSON.
    pub fn from_canonical(text: String) -> Result<Self, serde_json::Error> {
        let value = Arc::new(serde_json::from_str(&text)?);
        Ok(Self(Arc::new(Inner { value, text: OnceLock::from(text), sha256: OnceLock::new() })))
    }

    /// Returns the canonical text.
    pub fn text(&self) -> &str {
        self.0.text.get_or_init(|| canonical(&self.0.value))
    }

    /// Returns the SHA-256 of the canonical text in lower-case hex.
    pub fn sha256(&self) -> &str {
        self.0.sha256.get_or_init(|| sha256_hex_of(self.text().as_bytes()))
    }
}

impl From<Arc<Value>> for CanonicalJson {
    fn from(value: Arc<Value>) -> Self {
        Self(Arc::new(Inner { value, text: OnceLock::new(), sha256: OnceLock::new() }))
    }
}

impl From<Value> for CanonicalJson {
    fn from(value: Value) -> Self {
        Self::from(Arc::new(value))
    }
}

impl Deref for CanonicalJson {
    type Target = Arc<Value>;

    fn deref(&self) -> &Arc<Value> {
        &self.0.value
    }
}

impl PartialEq for CanonicalJson {
    fn eq(&self, other: &Self) -> bool {
        self.0.value == other.0.value
    }
}

impl std::fmt::Debug for CanonicalJson {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.value.fmt(f)
    }
}

/// Returns the value as compact JSON with the keys of every object sorted. What is hashed, stored and sent is always this text,
/// so that the SHA-256 in a decision can be compared with the bytes that a service received.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

/// Returns the SHA-256 of [`canonical`] in lower-case hex.
pub fn sha256_hex(value: &Value) -> String {
    sha256_hex_of(canonical(value).as_bytes())
}

/// Returns the SHA-256 of some bytes in lower-case hex.
pub fn sha256_hex_of(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Returns the number of bytes of the value as compact JSON, without building the text; none if there are more than `most`.
pub fn length_up_to(value: &impl Serialize, most: usize) -> Option<usize> {
    struct Left(usize);

    impl io::Write for Left {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut left = Left(most);
    serde_json::to_writer(&mut left, value).ok()?;
    Some(most - left.0)
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            // Sorted here rather than left to the map: a dependency may switch serde_json to insertion order.
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by(|a, b| a.0.cmp(b.0));
            out.push('{');
            for (position, (key, item)) in sorted.into_iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(item, out);
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn canonical_json_is_compact_sorted_and_keeps_unicode() {
        let value = json!({"b": [1, 2.5, null], "a": {"ü": "x\n", "A": true}});
        assert_eq!(canonical(&value), r#"{"a":{"A":true,"ü":"x\n"},"b":[1,2.5,null]}"#);
        assert_eq!(serde_json::from_str::<Value>(&canonical(&value)).unwrap(), value);
    }

    #[test]
    fn a_decimal_keeps_its_last_digit() {
        for text in ["985.6906946328695", "1.7976931348623157e308", "0.1", "18446744073709551615", "-9.5e-300"] {
            assert_eq!(canonical(&serde_json::from_str(text).unwrap()), text.replace("e308", "e+308"));
        }
    }

    #[test]
    fn a_length_is_counted_up_to_a_bound() {
        let value = json!({"b": [1, "ü\n"], "a": null});
        let bytes = canonical(&value).len();
        assert_eq!(length_up_to(&value, bytes), Some(bytes));
        assert_eq!(length_up_to(&value, bytes - 1), None);
    }

    #[test]
    fn a_canonical_value_keeps_the_text_that_was_stored_and_computes_the_one_of_a_new_value() {
        let new = CanonicalJson::from(json!({"b": 1, "a": [true]}));
        assert_eq!((new.text(), new.sha256()), (r#"{"a":[true],"b":1}"#, sha256_hex(&new).as_str()));
        // An earlier version might have written a number in another way; the hash of what is stored must stay.
        let stored = CanonicalJson::from_canonical(r#"{"a":1e2}"#.to_owned()).unwrap();
        assert_eq!((stored.text(), stored.sha256()), (r#"{"a":1e2}"#, sha256_hex_of(br#"{"a":1e2}"#).as_str()));
        assert!(CanonicalJson::from_canonical("{".to_owned()).is_err());
    }

    #[test]
    fn the_hash_is_of_the_canonical_text() {
        // printf '{"a":1}' | openssl dgst -sha256
        assert_eq!(sha256_hex(&json!({"a": 1})), "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862");
    }
}
