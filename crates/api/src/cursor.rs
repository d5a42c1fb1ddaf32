//! Cursors: a signed position in one list of one organisation. A caller can neither make nor change a cursor, and a cursor of another
//! list, filter, order or organisation is not valid.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::organisation::CursorSecret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The length of an HMAC-SHA256, in bytes.
const TAG_BYTES: usize = 32;
/// The maximum length of a cursor, in characters. A longer text is not decoded.
const MAX_CHARS: usize = 400;
/// The version of the layout of a position, so that a cursor of an older layout is refused and not misread.
const LAYOUT: &[u8] = b"runs cursor 1";

/// The position at which the next page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    /// The sort key of the last row before the page.
    pub(crate) after: String,
    /// The number of the page, from 1.
    pub(crate) page: u32,
    /// Whether the list was found to have more rows than are counted.
    pub(crate) beyond_cap: bool,
}

/// A cursor whose form is valid and whose signature is not verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SealedCursor {
    tag: Vec<u8>,
    position: Vec<u8>,
}

impl SealedCursor {
    /// Reads a cursor. Returns nothing if the text does not have the form of one.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = Some(text).filter(|text| text.len() <= MAX_CHARS)?;
        let mut tag = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() > TAG_BYTES)?;
        let position = tag.split_off(TAG_BYTES);
        Some(Self { tag, position })
    }

    /// Returns the position if the cursor was sealed with `secret` for `list`. The signatures are compared in constant time.
    pub(crate) fn open(&self, secret: &CursorSecret, list: &str) -> Option<Position> {
        mac(secret, list, &self.position)?.verify_slice(&self.tag).ok()?;
        let (page, rest) = self.position.split_first_chunk()?;
        let (beyond_cap, after) = rest.split_first()?;
        Some(Position { after: str::from_utf8(after).ok()?.to_owned(), page: u32::from_be_bytes(*page), beyond_cap: *beyond_cap == 1 })
    }
}

/// Returns the cursor of a position in `list`, which names everything that the cursor is bound to.
pub(crate) fn seal(secret: &CursorSecret, list: &str, position: &Position) -> Option<String> {
    let mut bytes = position.page.to_be_bytes().to_vec();
    bytes.push(u8::from(position.beyond_cap));
    bytes.extend_from_slice(position.after.as_bytes());
    let mut sealed = mac(secret, list, &bytes)?.finalize().into_bytes().to_vec();
    sealed.append(&mut bytes);
    Some(URL_SAFE_NO_PAD.encode(sealed))
}

/// Returns the HMAC of a list and a position. Each part is preceded by its length, so that no two of them give the same bytes.
fn mac(secret: &CursorSecret, list: &str, position: &[u8]) -> Option<Hmac<Sha256>> {
    // HMAC takes a key of any length, so this never fails.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.reveal()).ok()?;
    for part in [LAYOUT, list.as_bytes(), position] {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "/api/flows org_1 newest first";

    fn secret(seed: u128) -> CursorSecret {
        CursorSecret::of_random(seed, seed + 1)
    }

    fn position() -> Position {
        Position { after: "run_01M85EXE14SECWM1TBH3987TR1".to_owned(), page: 2, beyond_cap: false }
    }

    fn opened(text: &str, secret: &CursorSecret, list: &str) -> Option<Position> {
        SealedCursor::read(text).and_then(|sealed| sealed.open(secret, list))
    }

    #[test]
    fn a_cursor_opens_for_its_own_list_and_organisation_only() {
        for position in [position(), Position { beyond_cap: true, page: u32::MAX, after: "2026-01-01T00:00:00.000Z#apr_ü".to_owned() }] {
            let cursor = seal(&secret(1), LIST, &position).unwrap();
            assert_eq!(opened(&cursor, &secret(1), LIST), Some(position));
            assert_eq!(opened(&cursor, &secret(2), LIST), None);
            assert_eq!(opened(&cursor, &secret(1), "/api/flows org_1 oldest first"), None);
            assert_eq!(opened(&cursor, &secret(1), ""), None);
        }
        assert_ne!(seal(&secret(1), LIST, &position()), seal(&secret(1), LIST, &Position { page: 3, ..position() }));
    }

    #[test]
    fn no_character_of_a_cursor_can_be_changed_dropped_or_added() {
        let cursor = seal(&secret(1), LIST, &position()).unwrap();
        for at in 0..cursor.len() {
            for other in ["A", "B", "_", "-", "9", "=", "+", " ", "é"] {
                let changed = format!("{}{other}{}", &cursor[..at], &cursor[at + 1..]);
                assert!(changed == cursor || opened(&changed, &secret(1), LIST).is_none(), "{changed}");
                let longer = format!("{}{other}{}", &cursor[..at], &cursor[at..]);
                assert_eq!(opened(&longer, &secret(1), LIST), None, "{longer}");
            }
            assert_eq!(opened(&cursor[..at], &secret(1), LIST), None);
            assert_eq!(opened(&cursor[at + 1..], &secret(1), LIST), None);
        }
        for more in ["A", "=", "\n", &"A".repeat(MAX_CHARS)] {
            assert_eq!(opened(&format!("{cursor}{more}"), &secret(1), LIST), None);
        }
    }

    #[test]
    fn a_cursor_shows_nothing_that_a_caller_could_depend_on() {
        let cursor = seal(&secret(1), LIST, &position()).unwrap();
        assert!(!cursor.contains("run_") && cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{cursor}");
        assert!(cursor.len() < MAX_CHARS / 2);
    }
}
