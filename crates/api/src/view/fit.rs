//! Keeps a response small: its parts become references, the largest first.
//!
//! A response passes through Lambda as a string inside JSON, where every quotation mark takes two bytes, and may have 6 MB there.
//! So there are two measures: the bytes that the caller receives, and the bytes that Lambda passes on.

use std::io;

use domain::json::{canonical, sha256_hex_of};
use serde_json::{Value, json};

use crate::json_object::set;

/// The maximum size of such a response in bytes, with its envelope.
pub const MAX_BYTES: usize = 5_000_000;
/// The size of `{"data":…}` and of the fields of a page, in bytes.
const ENVELOPE_BYTES: usize = 1_000;
/// The maximum number of bytes that Lambda passes on. Its limit is 6 MiB, of which the envelope and the headers need a few.
const MAX_ESCAPED_BYTES: usize = 6_200_000;

/// The size of a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Size {
    bytes: usize,
    escaped: usize,
}

impl Size {
    const MAX: Self = Self { bytes: MAX_BYTES - ENVELOPE_BYTES, escaped: MAX_ESCAPED_BYTES };

    fn of(value: &Value) -> Self {
        let mut size = Self::default();
        // Writing into a counter cannot fail.
        _ = serde_json::to_writer(&mut size, value);
        size
    }

    fn fits(self, max: Self) -> bool {
        self.bytes <= max.bytes && self.escaped <= max.escaped
    }

    fn less(self, part: Self) -> Self {
        Self { bytes: self.bytes.saturating_sub(part.bytes), escaped: self.escaped.saturating_sub(part.escaped) }
    }
}

impl io::Write for Size {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len();
        self.escaped += bytes.len() + bytes.iter().filter(|byte| matches!(byte, b'"' | b'\\')).count();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A value that may be left out of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    /// Parts of a higher rank are left out only when no part of a lower rank is left.
    rank: usize,
    /// The size of the part.
    size: Size,
    /// The size that is saved when the part is left out.
    saves: Size,
}

/// Returns which parts to leave out so that at most `max` is left of `whole`: by rank, the largest first, and no more of them than
/// necessary.
fn chosen(whole: Size, parts: &[Part], max: Size) -> Vec<usize> {
    let mut order: Vec<(usize, &Part)> =
        parts.iter().enumerate().filter(|(_, part)| part.saves.bytes > 0 && part.saves.escaped > 0).collect();
    order.sort_by_key(|(at, part)| (part.rank, std::cmp::Reverse(part.size.bytes), *at));
    let mut left = whole;
    let mut chosen = Vec::new();
    for (at, part) in order {
        if left.fits(max) {
            break;
        }
        left = left.less(part.saves);
        chosen.push(at);
    }
    chosen
}

/// Replaces fields of `rows`, an array of objects in `view`, by references until `view` is small enough. `fields` are tried in their
/// order. `url` returns where the field of a row can be fetched.
pub(super) fn shrink(view: &mut Value, rows: &str, fields: &[&str], url: impl Fn(&Value, &str) -> String) {
    let whole = Size::of(view);
    if whole.fits(Size::MAX) {
        return;
    }
    let Some(rows) = view.pointer_mut(rows).and_then(Value::as_array_mut) else { return };
    let mut parts = Vec::new();
    let mut positions = Vec::new();
    for (row, object) in rows.iter().enumerate() {
        for (rank, field) in fields.iter().enumerate() {
            let Some(value) = object.get(*field) else { continue };
            let size = Size::of(value);
            // Every hash has the same length.
            let reference = Size::of(&reference(&url(object, field), size.bytes, &"0".repeat(64)));
            let longer_name = Size { bytes: "Ref".len(), escaped: "Ref".len() };
            parts.push(Part { rank, size, saves: size.less(reference).less(longer_name) });
            positions.push((row, *field));
        }
    }
    for at in chosen(whole, &parts, Size::MAX) {
        let Some((row, field)) = positions.get(at) else { continue };
        let Some(object) = rows.get_mut(*row) else { continue };
        let url = url(object, field);
        let Some(value) = object.as_object_mut().and_then(|fields| fields.remove(*field)) else { continue };
        let text = canonical(&value);
        set(object, format!("{field}Ref"), reference(&url, text.len(), &sha256_hex_of(text.as_bytes())));
    }
}

fn reference(url: &str, bytes: usize, sha256: &str) -> Value {
    json!({"url": url, "bytes": bytes, "sha256": sha256})
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(rank: usize, bytes: usize) -> Part {
        let size = Size { bytes, escaped: bytes + bytes / 3 };
        Part { rank, size, saves: size.less(Size { bytes: 150, escaped: 170 }) }
    }

    proptest! {
        /// Any number of parts of any size: what is left fits, and no part was left out that could have stayed.
        #[test]
        fn what_is_left_fits_and_the_smallest_parts_stay(
            sizes in proptest::collection::vec((0..3usize, 0..200_000usize), 0..600),
            fixed in 0..1_500_000usize,
        ) {
            let parts: Vec<Part> = sizes.iter().map(|(rank, bytes)| part(*rank, *bytes)).collect();
            let whole = parts.iter().fold(Size { bytes: fixed, escaped: 2 * fixed }, |sum, part| {
                Size { bytes: sum.bytes + part.size.bytes, escaped: sum.escaped + part.size.escaped }
            });
            let left_out = chosen(whole, &parts, Size::MAX);
            let after = left_out.iter().fold(whole, |left, at| left.less(parts[*at].saves));
            prop_assert!(after.fits(Size::MAX));
            if let Some(last) = left_out.last() {
                let without_last = left_out[..left_out.len() - 1].iter().fold(whole, |left, at| left.less(parts[*at].saves));
                prop_assert!(!without_last.fits(Size::MAX), "part {last} could have stayed");
            }
            // By rank, the largest first: whatever stays is of a higher rank or no larger than whatever went.
            let key = |at: &usize| (parts[*at].rank, std::cmp::Reverse(parts[*at].size.bytes));
            prop_assert!(left_out.is_sorted_by_key(key));
            let stays = (0..parts.len()).filter(|at| parts[*at].saves.bytes > 0 && !left_out.contains(at));
            prop_assert!(stays.min_by_key(key).zip(left_out.last()).is_none_or(|(stays, went)| key(&stays) >= key(went)));
            prop_assert_eq!(chosen(whole, &parts, Size::MAX), left_out, "the choice is deterministic");
        }

    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3))]

        /// 300 rows and more, with texts full of quotation marks: nothing is lost, and each field is present or has a reference.
        #[test]
        fn every_field_is_present_or_has_a_reference(
            rows in proptest::collection::vec((0..40_000usize, 0..40_000usize, prop_oneof!["x", "ü", "\"", "\\\\"]), 300..340),
        ) {
            let row = |(at, (input, output, fill)): (usize, &(usize, usize, String))| {
                json!({"id": at, "input": fill.repeat(input / fill.len()), "output": [fill.repeat(output / fill.len())]})
            };
            let before = json!({"rows": rows.iter().enumerate().map(row).collect::<Vec<_>>()});
            let mut after = before.clone();
            shrink(&mut after, "/rows", &["output", "input"], |row, field| format!("/{}/{field}", row["id"]));
            let text = json!({"data": after}).to_string();
            prop_assert!(text.len() <= MAX_BYTES, "{} bytes", text.len());
            let passed_on = Value::from(text.as_str()).to_string().len();
            prop_assert!(passed_on <= 6 * 1024 * 1024, "{passed_on} bytes for Lambda");
            for (before, after) in before["rows"].as_array().unwrap().iter().zip(after["rows"].as_array().unwrap()) {
                for field in ["input", "output"] {
                    let reference = after.get(format!("{field}Ref"));
                    if let Some(value) = after.get(field) {
                        prop_assert!(value == &before[field] && reference.is_none());
                        continue;
                    }
                    let text = canonical(&before[field]);
                    let url = format!("/{}/{field}", before["id"]);
                    prop_assert_eq!(reference, Some(&super::reference(&url, text.len(), &sha256_hex_of(text.as_bytes()))));
                }
            }
        }
    }

    #[test]
    fn a_response_that_is_small_enough_stays_as_it_is() {
        let before = json!({"rows": [{"output": "x".repeat(4_000_000)}, {"output": "y".repeat(900_000)}]});
        let mut after = before.clone();
        shrink(&mut after, "/rows", &["output"], |_, _| String::new());
        assert_eq!(after, before);
    }

    #[test]
    fn inputs_stay_while_there_are_outputs_to_leave_out() {
        let row = || json!({"input": "i".repeat(90_000), "output": "o".repeat(50_000)});
        let mut view = json!({"rows": (0..50).map(|_| row()).collect::<Vec<_>>()});
        shrink(&mut view, "/rows", &["output", "input"], |_, _| String::new());
        let count = |field: &str| view["rows"].as_array().unwrap().iter().filter(|row| row.get(field).is_some()).count();
        assert_eq!((count("input"), count("outputRef")), (50, 41));
    }
}
