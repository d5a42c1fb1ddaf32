//! Reads the text of an expression.
//!
//! ```text
//! expression = operand *( "??" operand )
//! operand    = path / string / number / "true" / "false" / "null"
//! path       = ( "trigger" / "run" / "step" ) *( "." key / "[" ( digits / string ) "]" )
//! string     = a JSON string, or characters between single quotes, in which \' is a quote and \\ a backslash
//! ```

use serde_json::Value;

use super::expression::{BadTemplate, Operand};
use super::path::{Path, Root};

const OPERATORS: &str = "an expression is a path and has no operators; a `decision` compares the value of a path with its cases";
const FILTERS: &str = "there are no filters; a default is written `trigger.x ?? 'default'`";
pub(super) const KEYS: &str = "a key with other characters than letters, digits, `_`, `-`, `$`, `@`, `:`, `/` and `#` is written in brackets and quotes, such as `trigger[\"a.b\"]`";
const QUOTES: &str = "a quote in it is never closed";
const BRACKETS: &str = "`[` is followed by a number or a key in quotes and closed by `]`, such as `items[0]` or `trigger[\"a.b\"]`";
const ALTERNATIVES: &str = "`??` is followed by another path, a text in quotes, a number, true, false or null";

/// Reads an expression.
pub(super) fn operands(text: &str) -> Result<Vec<Operand>, BadTemplate> {
    let mut cursor = Cursor { text, rest: text };
    let mut operands = vec![cursor.operand(true)?];
    loop {
        cursor.skip_blanks();
        if cursor.rest.is_empty() {
            return Ok(operands);
        }
        if !cursor.take("??") {
            return Err(cursor.unexpected());
        }
        cursor.skip_blanks();
        operands.push(cursor.operand(false)?);
    }
}

/// Returns the end of an expression that begins at the start of `tail`: the position of the first `}` that is not in quotes.
pub(super) fn closing_brace(tail: &str) -> Option<usize> {
    let mut quote = None;
    let mut is_escaped = false;
    for (at, char) in tail.char_indices() {
        match (quote, char) {
            _ if is_escaped => is_escaped = false,
            (Some(_), '\\') => is_escaped = true,
            (Some(open), _) if char == open => quote = None,
            (None, '"' | '\'') => quote = Some(char),
            (None, '}') => return Some(at),
            _ => {}
        }
    }
    None
}

/// Returns the path whose keys are `segments`, the root included. `text` is the whole path for errors.
pub(super) fn with_root(text: &str, segments: Vec<String>) -> Result<Path, BadTemplate> {
    let mut segments = segments.into_iter();
    let root = match segments.next().as_deref() {
        Some("trigger") => Root::Trigger,
        Some("run") => match segments.next().as_deref() {
            Some("id") => Root::RunId,
            Some("traceId") => Root::TraceId,
            _ => return Err(unknown_path(text)),
        },
        Some("step") => {
            let name = segments.next().ok_or_else(|| unknown_path(text))?;
            let node = name.parse().map_err(|_| BadTemplate::BadNode(text.to_owned(), name))?;
            if segments.next().as_deref() != Some("output") {
                return Err(unknown_path(text));
            }
            Root::Output(node)
        }
        _ => return Err(unknown_path(text)),
    };
    let segments: Vec<String> = segments.collect();
    if matches!(root, Root::RunId | Root::TraceId) && !segments.is_empty() {
        return Err(unknown_path(text));
    }
    Ok(Path { root, segments })
}

pub(super) fn unknown_path(text: &str) -> BadTemplate {
    BadTemplate::UnknownPath(text.to_owned())
}

struct Cursor<'t> {
    text: &'t str,
    rest: &'t str,
}

impl<'t> Cursor<'t> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|char| !wanted(char)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn syntax(&self, hint: &'static str) -> BadTemplate {
        BadTemplate::Syntax(self.text.to_owned(), hint)
    }

    /// Returns the error for what follows a complete operand.
    fn unexpected(&self) -> BadTemplate {
        match self.rest.chars().next() {
            Some('|') if !self.rest.starts_with("||") => self.syntax(FILTERS),
            Some('|' | '<' | '>' | '=' | '!' | '&' | '+' | '-' | '*' | '/' | '%' | '?' | '(' | ')' | ',') => self.syntax(OPERATORS),
            _ => self.syntax(KEYS),
        }
    }

    fn operand(&mut self, is_first: bool) -> Result<Operand, BadTemplate> {
        if self.rest.starts_with(['"', '\'']) {
            return self.string().map(|text| Operand::Literal(Value::from(text)));
        }
        if self.rest.starts_with(|char: char| char.is_ascii_digit() || char == '-') {
            let number = self.take_while(|char| char.is_ascii_alphanumeric() || "+-.".contains(char));
            return match serde_json::from_str::<Value>(number) {
                Ok(value @ Value::Number(_)) => Ok(Operand::Literal(value)),
                _ => Err(unknown_path(self.text)),
            };
        }
        let begin = self.rest;
        let word = self.take_while(is_key_char);
        match word {
            "true" => return Ok(Operand::Literal(Value::Bool(true))),
            "false" => return Ok(Operand::Literal(Value::Bool(false))),
            "null" => return Ok(Operand::Literal(Value::Null)),
            "" => return Err(if is_first { unknown_path(self.text) } else { self.syntax(ALTERNATIVES) }),
            _ => {}
        }
        let segments = self.segments(word)?;
        let length = begin.len() - self.rest.len();
        with_root(begin.get(..length).unwrap_or(self.text), segments)
            .map(Operand::Path)
            .map_err(|error| if is_first { error } else { self.syntax(ALTERNATIVES) })
    }

    fn segments(&mut self, first: &str) -> Result<Vec<String>, BadTemplate> {
        let mut segments = vec![first.to_owned()];
        loop {
            if self.take(".") {
                let key = self.take_while(is_key_char);
                if key.is_empty() {
                    return Err(self.syntax(KEYS));
                }
                segments.push(key.to_owned());
            } else if self.take("[") {
                self.skip_blanks();
                segments.push(if self.rest.starts_with(['"', '\'']) {
                    self.string()?
                } else {
                    self.take_while(|char| char.is_ascii_digit()).to_owned()
                });
                self.skip_blanks();
                if !self.take("]") || segments.last().is_some_and(String::is_empty) {
                    return Err(self.syntax(BRACKETS));
                }
            } else {
                return Ok(segments);
            }
        }
    }

    /// Reads a string in double or single quotes.
    fn string(&mut self) -> Result<String, BadTemplate> {
        let quote = self.rest.chars().next().unwrap_or('"');
        let mut is_escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, char)| {
            let closes = *char == quote && !is_escaped;
            is_escaped = *char == '\\' && !is_escaped;
            closes
        });
        let (at, _) = end.ok_or_else(|| self.syntax(QUOTES))?;
        let (whole, rest) = self.rest.split_at_checked(at + 1).ok_or_else(|| self.syntax(QUOTES))?;
        self.rest = rest;
        if quote == '"' {
            return serde_json::from_str(whole).map_err(|_| self.syntax(QUOTES));
        }
        let inside = whole.get(1..at).unwrap_or_default();
        let mut text = String::with_capacity(inside.len());
        let mut chars = inside.chars();
        while let Some(char) = chars.next() {
            text.push(if char == '\\' { chars.next().unwrap_or('\\') } else { char });
        }
        Ok(text)
    }
}

/// Returns whether a key may have this character without quotes.
fn is_key_char(char: char) -> bool {
    char.is_alphanumeric() || "_-$@:/#".contains(char)
}
