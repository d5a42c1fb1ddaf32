//! Texts and JSON of the API as they are safe to show on a terminal.

use serde_json::Value;

/// Returns whether a character controls the terminal, or the order in which a line is read, instead of being visible. The texts that are
/// shown come from models, services and strangers, and a reviewer approves what the terminal shows.
fn is_unseen(char: char) -> bool {
    char.is_control() || matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns a text of the API as one visible line: characters that are not visible are replaced.
pub fn plain(text: &str) -> String {
    text.chars().map(|char| if is_unseen(char) { '\u{fffd}' } else { char }).collect()
}

/// Returns indented JSON. It is the same JSON value: characters that are not visible are escaped.
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_would_not_be_seen_is_shown_and_stays_the_same_json() {
        let sly = json!({"to": "Ada\u{202e}gnp\u{1b}[2J\u{9b}", "note": "two\nlines"});
        let shown = pretty(&sly);
        assert!(shown.contains(r"Ada\u202egnp\u001b[2J\u009b"), "{shown}");
        assert!(shown.contains(r"two\nlines"), "{shown}");
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), sly);
        assert_eq!(plain("Ada\u{202e}\u{1b}[2J\nx"), "Ada\u{fffd}\u{fffd}[2J\u{fffd}x");
    }
}
