//! One way to turn JSON into bytes, so that a hash means the same thing everywhere.

use std::io;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Compact JSON with the keys of every object sorted. What is hashed, stored and sent is always this text,
/// so the SHA-256 in a decision can be compared with the bytes a service received.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

/// The SHA-256 of [`canonical`], in lower-case hex.
pub fn sha256_hex(value: &Value) -> String {
    sha256_hex_of(canonical(value).as_bytes())
}

/// The SHA-256 of some bytes, in lower-case hex.
pub fn sha256_hex_of(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// How many bytes of compact JSON it has, without making them; none if more than `most`.
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
    fn the_hash_is_of_the_canonical_text() {
        // printf '{"a":1}' | openssl dgst -sha256
        assert_eq!(sha256_hex(&json!({"a": 1})), "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862");
    }
}
