//! What keeps an answer small, whatever it is about: its parts turn into references, the largest first.
//!
//! An answer goes through Lambda as a string inside JSON, where every quotation mark takes two bytes, and may have 6 MB there.
//! So there are two measures: the bytes that the caller receives, and the bytes that Lambda passes on.

use std::io;

use domain::json::{canonical, sha256_hex_of};
use serde_json::{Value, json};

use crate::set;

/// The most bytes that such an answer has, envelope included.
pub const MAX_BYTES: usize = 5_000_000;
/// `{"data":…}`, and what a page says of itself.
const ENVELOPE_BYTES: usize = 1_000;
/// The most bytes that Lambda is given to pass on: it takes 6 MiB, and the envelope and the headers need a few of them.
const MAX_ESCAPED_BYTES: usize = 6_200_000;

/// How large something is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Size {
    bytes: usize,
    escaped: usize,
}

impl Size {
    const MOST: Self = Self { bytes: MAX_BYTES - ENVELOPE_BYTES, escaped: MAX_ESCAPED_BYTES };

    fn of(value: &Value) -> Self {
        let mut size = Self::default();
        // Writing into a counter cannot fail.
        _ = serde_json::to_writer(&mut size, value);
        size
    }

    fn fits(self, most: Self) -> bool {
        self.bytes <= most.bytes && self.escaped <= most.escaped
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

/// Something that may be left out of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    /// Parts of a higher rank are left out only when there are none of a lower one left.
    rank: usize,
    /// Its size.
    size: Size,
    /// What leaving it out saves.
    saves: Size,
}

/// Which parts to leave out, so that no more than `most` is left of `whole`: by rank, the largest first, and no more of them
/// than necessary.
fn chosen(whole: Size, parts: &[Part], most: Size) -> Vec<usize> {
    let mut order: Vec<(usize, &Part)> =
        parts.iter().enumerate().filter(|(_, part)| part.saves.bytes > 0 && part.saves.escaped > 0).collect();
    order.sort_by_key(|(at, part)| (part.rank, std::cmp::Reverse(part.size.bytes), *at));
    let mut left = whole;
    let mut chosen = Vec::new();
    for (at, part) in order {
        if left.fits(most) {
            break;
        }
        left = left.less(part.saves);
        chosen.push(at);
    }
    chosen
}

/// Turns fields of `rows`, an array of objects in `view`, into references until `view` is small enough. `fields` are tried in
/// their order, and `url` says where the field of a row can be fetched: its value, with these bytes and this hash.
pub(super) fn shrink(view: &mut Value, rows: &str, fields: &[&str], url: impl Fn(&Value, &str) -> String) {
    let whole = Size::of(view);
    if whole.fits(Size::MOST) {
        return;
    }
    let Some(rows) = view.pointer_mut(rows).and_then(Value::as_array_mut) else { return };
    let mut parts = Vec::new();
    let mut places = Vec::new();
    for (row, object) in rows.iter().enumerate() {
        for (rank, field) in fields.iter().enumerate() {
            let Some(value) = object.get(*field) else { continue };
            let size = Size::of(value);
            // The hash of another value is as long.
            let reference = Size::of(&reference(&url(object, field), size.bytes, &"0".repeat(64)));
            let longer_name = Size { bytes: "Ref".len(), escaped: "Ref".len() };
            parts.push(Part { rank, size, saves: size.less(reference).less(longer_name) });
            places.push((row, *field));
        }
    }
    for at in chosen(whole, &parts, Size::MOST) {
        let Some((row, field)) = places.get(at) else { continue };
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
