//! JSON from an argument, a file or standard input, and times.

use std::io::Read;
use std::path::Path;

use runs_client::types::Timestamp;
use serde_json::Value;

use crate::failure::Failure;

/// Reads the JSON of an argument: `-` is standard input, `@file` is a file, and anything else is the JSON itself.
pub fn json(argument: &str) -> Result<Value, Failure> {
    let (text, from) = match argument.strip_prefix('@') {
        Some(file) => (read(Path::new(file))?, file),
        None if argument == "-" => (read(Path::new("-"))?, "standard input"),
        None => (argument.to_owned(), "the argument"),
    };
    parse(&text, from)
}

/// Reads the JSON of a file; `-` is standard input.
pub fn file(path: &Path) -> Result<Value, Failure> {
    parse(&read(path)?, &path.display().to_string())
}

/// Reads the time of an option.
pub fn time(argument: Option<String>, flag: &str) -> Result<Option<Timestamp>, Failure> {
    match argument.map(|text| text.parse::<chrono::DateTime<chrono::Utc>>()) {
        None => Ok(None),
        Some(Ok(time)) => Ok(Some(Timestamp(time))),
        Some(Err(problem)) => Err(Failure::usage(format!("{flag} takes a time such as 2026-01-31T00:00:00Z: {problem}"))),
    }
}

fn parse(text: &str, from: &str) -> Result<Value, Failure> {
    exact_json::read(text.as_bytes()).map_err(|problem| Failure::usage(format!("{from} {problem}")))
}

fn read(path: &Path) -> Result<String, Failure> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(path).map_err(|problem| Failure::usage(format!("{}: {problem}", path.display())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_comes_from_the_argument_or_a_file() {
        assert_eq!(json(r#"{"a": 1}"#).unwrap(), json!({"a": 1}));
        let file = std::env::temp_dir().join(format!("qe-input-{}", std::process::id()));
        std::fs::write(&file, "[1, 2]").unwrap();
        assert_eq!(json(&format!("@{}", file.display())).unwrap(), json!([1, 2]));
        assert_eq!(super::file(&file).unwrap(), json!([1, 2]));
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn invalid_json_is_reported_with_its_position() {
        assert_eq!(json("{").unwrap_err().to_string(), "the argument is not JSON: EOF while parsing an object at line 1 column 1");
        assert!(json("@/nowhere/at-all").unwrap_err().to_string().starts_with("/nowhere/at-all: "));
        let rounded = json(r#"{"a": [18446744073709551616]}"#).unwrap_err();
        assert!(rounded.to_string().starts_with("the argument has a number at `a[0]` that would change its value: "), "{rounded}");
        assert_eq!(json("{").unwrap_err().code, crate::failure::USAGE);
    }
}
