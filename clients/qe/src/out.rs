//! What is shown: tables for people, JSON for scripts.

use std::io::Write;

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Table};
use console::{Style, style};
use serde::Serialize;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::failure::Failure;

/// A line on standard output. A reader that has gone away ends the program quietly, as `head` expects.
pub fn line(text: impl std::fmt::Display) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        written => Ok(written?),
    }
}

/// A remark on standard error, which scripts do not read.
pub fn remark(text: impl std::fmt::Display) -> Result<(), Failure> {
    Ok(writeln!(std::io::stderr(), "{text}")?)
}

/// The API's JSON.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(serde_json::to_string_pretty(value).map_err(|error| Failure::here(error.to_string()))?)
}

/// Rows under a heading, as wide as they need to be.
pub fn table(heading: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Result<(), Failure> {
    line(render(heading, rows))
}

/// The same as text.
pub fn render(heading: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(heading.iter().map(|name| Cell::new(style(name).dim()).set_alignment(CellAlignment::Left)));
    table.add_rows(rows);
    table.trim_fmt()
}

/// A status in its colour.
pub fn status(name: &str) -> String {
    let colour = match name {
        "succeeded" | "approved" | "active" => Style::new().green(),
        "failed" | "rejected" | "cancelled" | "expired" => Style::new().red(),
        "awaiting_approval" => Style::new().yellow(),
        "running" => Style::new().cyan(),
        _ => Style::new().dim(),
    };
    colour.apply_to(name).to_string()
}

/// Characters that do something to a terminal, or to the order in which a line is read, instead of being seen. What is shown comes
/// from models, services and strangers, and somebody approves what they see.
fn is_unseen(char: char) -> bool {
    char.is_control() || matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text of somebody else's, on one line.
pub fn plain(text: &str) -> String {
    text.chars().map(|char| if is_unseen(char) { '\u{fffd}' } else { char }).collect()
}

/// JSON as people read it. It is still the same JSON: what would not be seen is escaped.
pub fn pretty(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.chars().fold(String::with_capacity(text.len()), |mut seen, char| {
        if char != '\n' && is_unseen(char) {
            seen.extend(format!("\\u{:04x}", u32::from(char)).chars());
        } else {
            seen.push(char);
        }
        seen
    })
}

/// What changes from one value to another, line by line; nothing if nothing does.
pub fn diff(before: &Value, after: &Value) -> Option<String> {
    let (before, after) = (pretty(before), pretty(after));
    if before == after {
        return None;
    }
    let changes = TextDiff::from_lines(&before, &after);
    let lines = changes.iter_all_changes().map(|change| {
        let text = change.value().trim_end_matches('\n');
        match change.tag() {
            ChangeTag::Delete => style(format!("- {text}")).red().to_string(),
            ChangeTag::Insert => style(format!("+ {text}")).green().to_string(),
            ChangeTag::Equal => format!("  {text}"),
        }
    });
    Some(lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_shows_what_goes_and_what_comes() {
        console::set_colors_enabled(false);
        let shown = diff(&json!({"amount": 120, "to": "Ada"}), &json!({"amount": 80, "to": "Ada"})).unwrap();
        assert_eq!(shown, "  {\n-   \"amount\": 120,\n+   \"amount\": 80,\n    \"to\": \"Ada\"\n  }");
        assert_eq!(diff(&json!([1]), &json!([1])), None);
    }

    #[test]
    fn what_would_not_be_seen_is_shown_and_stays_the_same_json() {
        let sly = json!({"to": "Ada\u{202e}gnp\u{1b}[2J\u{9b}", "note": "two\nlines"});
        let shown = pretty(&sly);
        assert!(shown.contains(r"Ada\u202egnp\u001b[2J\u009b"), "{shown}");
        assert!(shown.contains(r"two\nlines"), "{shown}");
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), sly);
        assert_eq!(plain("Ada\u{202e}\u{1b}[2J\nx"), "Ada\u{fffd}\u{fffd}[2J\u{fffd}x");
    }

    #[test]
    fn a_table_is_as_wide_as_it_needs_to_be() {
        console::set_colors_enabled(false);
        let text = render(&["id", "name"], [vec!["a".to_owned(), "Ada".to_owned()], vec!["bb".to_owned(), "B".to_owned()]]);
        assert_eq!(text.lines().map(str::trim_end).collect::<Vec<_>>(), [" id  name", " a   Ada", " bb  B"]);
    }
}
