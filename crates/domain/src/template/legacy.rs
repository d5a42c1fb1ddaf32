//! Paths as earlier versions read them: a key between two dots could have any character. Flows that were saved then are still read so.

use super::expression::BadTemplate;
use super::parse::{unknown_path, with_root};
use super::path::Path;

/// Reads a path. Every `[` counts as a dot and every `]` is dropped, as `items[0].name` was read as `items.0.name`.
pub(super) fn path(text: &str) -> Result<Path, BadTemplate> {
    let dotted = text.replace('[', ".").replace(']', "");
    let segments: Vec<String> = dotted.split('.').map(str::to_owned).collect();
    let path = with_root(text, segments)?;
    if path.segments.iter().any(String::is_empty) { Err(unknown_path(text)) } else { Ok(path) }
}
