//! The difference between two JSON values.

use console::style;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::text::pretty;

/// Returns the difference between two JSON values, line by line, or nothing if they are equal.
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
}
