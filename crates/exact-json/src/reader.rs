//! Reading JSON texts.

use std::fmt::Write as _;
use std::ops::Range;

use serde_json::{Number, Value};

use crate::decimal::Decimal;

/// The most levels of arrays and objects that a JSON value may have which this system accepts or makes. Readers allow 127 levels, so that
/// what is accepted can be wrapped in a record, an event or an answer and still be read by each of them.
pub const MAX_DEPTH: usize = 64;
/// A decimal of up to this many digits without an exponent is kept by a binary number of 64 bits (`DBL_DIG` of C).
const SHORT_NUMBER: usize = 15;
/// The most characters of a number or a path that an error quotes.
const MAX_QUOTED: usize = 200;

/// The error for a text that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The text is not JSON.
    #[error("is not JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// Arrays and objects are nested too deeply.
    #[error("has more than {MAX_DEPTH} levels of arrays and objects, the most that JSON may have here")]
    TooDeep,
    /// A number would change its value.
    #[error(transparent)]
    Number(#[from] InexactNumber),
}

/// The error for a number that cannot be kept as it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("has a number{} that would change its value: {number}. {}", self.place(), Self::ADVICE)]
pub struct InexactNumber {
    /// The path of the number, such as `items[2].amount`; empty if the text is the number. A long path is cut.
    pub path: String,
    /// The number as it was written. A long number is cut.
    pub number: String,
}

impl InexactNumber {
    /// What to write instead.
    const ADVICE: &str = "Numbers are integers of 64 bits, or decimals of up to 15 digits that are at most 1.797e308; write it as a string";

    /// Returns the error without the path, for a place that names the path by itself.
    pub fn message(&self) -> String {
        format!("would change its value: {}. {}", self.number, Self::ADVICE)
    }

    fn place(&self) -> String {
        if self.path.is_empty() { String::new() } else { format!(" at `{}`", self.path) }
    }
}

/// Returns whether a value has at most this number of levels of arrays and objects. A scalar has none.
pub fn depth_is_within(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels > 0 && items.iter().all(|item| depth_is_within(item, levels - 1)),
        Value::Object(fields) => levels > 0 && fields.values().all(|item| depth_is_within(item, levels - 1)),
        _ => true,
    }
}

/// Reads a JSON text that comes from outside. Fails if it is not JSON or has more than [`MAX_DEPTH`] levels, and with the path of the first
/// number that would change its value.
pub fn read(text: &[u8]) -> Result<Value, ReadError> {
    match serde_json::from_slice(text) {
        Ok(value) if !depth_is_within(&value, MAX_DEPTH) => Err(ReadError::TooDeep),
        Ok(value) => match first_inexact(text) {
            None => Ok(value),
            Some(number) => Err(number.into()),
        },
        // The parser refuses a number beyond the range of 64 bits by itself, but does not say where it is.
        Err(error) if error.to_string().starts_with("number out of range") => {
            Err(first_inexact(text).map_or(ReadError::Syntax(error), ReadError::Number))
        }
        Err(error) => Err(error.into()),
    }
}

/// One array or object around the position of the reader.
enum Level {
    Array(usize),
    /// The place of the current key in the text, with its quotes.
    Object(Range<usize>),
}

/// Returns the first number of a JSON text that would change its value. A text that is not JSON is read as far as it makes sense.
fn first_inexact(text: &[u8]) -> Option<InexactNumber> {
    let mut levels: Vec<Level> = Vec::new();
    let mut is_key = false;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let mut end = at + 1;
        match byte {
            b'{' => {
                levels.push(Level::Object(0..0));
                is_key = true;
            }
            b'[' => {
                levels.push(Level::Array(0));
                is_key = false;
            }
            b'}' | b']' => {
                levels.pop();
                is_key = false;
            }
            b',' => match levels.last_mut() {
                Some(Level::Array(position)) => *position += 1,
                Some(Level::Object(_)) => is_key = true,
                None => {}
            },
            b':' => is_key = false,
            b'"' => {
                end = end_of_string(text, at);
                if let (true, Some(Level::Object(key))) = (is_key, levels.last_mut()) {
                    *key = at..end;
                }
            }
            b'-' | b'0'..=b'9' => {
                let rest = text.get(at..).unwrap_or_default();
                let length = rest.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')).count();
                end = at + length;
                let number = std::str::from_utf8(rest.get(..length).unwrap_or_default()).unwrap_or_default();
                if !is_kept(number) {
                    return Some(InexactNumber { path: path(text, &levels), number: cut(number.to_owned()) });
                }
            }
            _ => {}
        }
        at = end;
    }
    None
}

/// Returns the position after a string that begins at `start`.
fn end_of_string(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

/// Returns whether a number has the same value after it was read and written.
fn is_kept(number: &str) -> bool {
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    if digits <= SHORT_NUMBER && !number.contains(['e', 'E']) {
        return true;
    }
    let Ok(read) = serde_json::from_str::<Number>(number) else { return false };
    // Most numbers are written as they were read. Only the others need the comparison of decimals.
    read.to_string() == number || Some(Decimal::from(&read)) == Decimal::parse(number)
}

fn path(text: &[u8], levels: &[Level]) -> String {
    let mut path = String::new();
    for level in levels {
        match level {
            Level::Array(position) => _ = write!(path, "[{position}]"),
            Level::Object(range) => {
                let key = text.get(range.clone()).unwrap_or_default();
                let name: String = serde_json::from_slice(key).unwrap_or_default();
                let is_plain = !name.is_empty() && name.chars().all(|char| char.is_alphanumeric() || matches!(char, '_' | '-' | '$'));
                if !is_plain {
                    _ = write!(path, "[{}]", String::from_utf8_lossy(key));
                } else if path.is_empty() {
                    path.push_str(&name);
                } else {
                    _ = write!(path, ".{name}");
                }
            }
        }
    }
    cut(path)
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_QUOTED {
        text.truncate(text.floor_char_boundary(MAX_QUOTED));
        text.push('…');
    }
    text
}
