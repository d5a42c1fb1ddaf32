//! The difference between two JSON values.

use console::style;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::text::pretty;

/// The number of unchanged lines around a change.
const CONTEXT_LINES: usize = 3;

/// Returns the difference between two JSON values, line by line with three lines of context, or nothing if they are equal. `…` stands for
/// unchanged lines that are left out.
pub fn diff(before: &Value, after: &Value) -> Option<String> {
    let (before, after) = (pretty(before), pretty(after));
    if before == after {
        return None;
    }
    let changes = TextDiff::from_lines(&before, &after);
    let mut lines = Vec::new();
    let mut shown_to = 0;
    for group in changes.grouped_ops(CONTEXT_LINES) {
        if group.first().is_some_and(|first| first.old_range().start > shown_to) {
            lines.push(style("  …").dim().to_string());
        }
        for operation in &group {
            lines.extend(changes.iter_changes(operation).map(|change| {
                let text = change.value().trim_end_matches('\n');
                match change.tag() {
                    ChangeTag::Delete => style(format!("- {text}")).red().to_string(),
                    ChangeTag::Insert => style(format!("+ {text}")).green().to_string(),
                    ChangeTag::Equal => format!("  {text}"),
                }
            }));
            shown_to = operation.old_range().end;
        }
    }
    if before.lines().count() > shown_to {
        lines.push(style("  …").dim().to_string());
    }
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_shows_the_removed_and_the_added_lines() {
        console::set_colors_enabled(false);
        let shown = diff(&json!({"amount": 120, "to": "Ada"}), &json!({"amount": 80, "to": "Ada"})).unwrap();
        assert_eq!(shown, "  {\n-   \"amount\": 120,\n+   \"amount\": 80,\n    \"to\": \"Ada\"\n  }");
        assert_eq!(diff(&json!([1]), &json!([1])), None);
    }

    #[test]
    fn a_difference_of_a_long_value_has_three_lines_of_context() {
        console::set_colors_enabled(false);
        let before: Vec<u32> = (0..40).collect();
        let mut after = before.clone();
        after[20] = 99;
        let shown = diff(&json!(before), &json!(after)).unwrap();
        let expected = ["  …", "    17,", "    18,", "    19,", "-   20,", "+   99,", "    21,", "    22,", "    23,", "  …"];
        assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
        after[0] = 7;
        let two = diff(&json!(before), &json!(after)).unwrap();
        assert_eq!(two.matches('…').count(), 2, "{two}");
        assert!(two.starts_with("  [\n-   0,\n+   7,\n"), "{two}");
    }
}
