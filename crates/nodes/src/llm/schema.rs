//! Validates what a model says, its answer or the arguments of a tool, against the flow's JSON Schema.

use domain::ports::EffectError;
use domain::schema::Schema;
use exact_json::{InexactNumber, ReadError};
use serde_json::Value;

use crate::failure::{cut, permanent};

/// The most characters of a violation: it quotes the value that it is about, which may be long.
const QUOTED_VIOLATION: usize = 200;
/// The most violations that a message lists.
const MAX_VIOLATIONS: usize = 20;
/// The most characters of an answer that a message quotes.
const QUOTED_ANSWER: usize = 200;

/// Compiles a schema; `field` is the name of the flow's field that holds it. Fails if the schema is not valid.
pub(crate) fn validator(schema: &Value, field: &str) -> Result<Schema, EffectError> {
    // Checked when the flow was saved; a later version of the library may judge it differently.
    Schema::compile(schema).map_err(|why| permanent(format!("`{field}` is not a valid JSON Schema: {why}")))
}

/// The model's answer is not what the flow asked for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error("the model's answer is not JSON, as outputSchema demands ({why}): {quoted}")]
    NotJson { why: String, quoted: String },
    #[error("the model's answer {0}")]
    Number(InexactNumber),
    #[error("the model's answer does not satisfy outputSchema: {}", .0.join("; "))]
    Schema(Vec<String>),
}

/// Reads the JSON in an answer. Fails if it is not JSON or does not satisfy the schema.
pub(crate) fn parse(text: &str, schema: &Schema) -> Result<Value, AnswerError> {
    let value = exact_json::read(without_code_fence(after_reasoning(text)).as_bytes()).map_err(|why| match why {
        ReadError::Number(number) => AnswerError::Number(number),
        why @ (ReadError::Syntax(_) | ReadError::TooDeep) => {
            AnswerError::NotJson { why: why.to_string(), quoted: cut(text.trim(), QUOTED_ANSWER) }
        }
    })?;
    let violations = violations(&value, schema);
    if violations.is_empty() { Ok(value) } else { Err(AnswerError::Schema(violations)) }
}

/// Returns what follows the reasoning that some models put before their answer. The opening tag may be missing, because some chat
/// templates put it into the prompt; a text that begins like JSON has no reasoning.
pub(crate) fn after_reasoning(text: &str) -> &str {
    let trimmed = text.trim_start();
    if trimmed.starts_with(['{', '[', '"', '`']) {
        return text;
    }
    match text.split_once("</think>") {
        Some((_, answer)) => answer,
        None => text,
    }
}

/// Returns what is wrong with a value, each violation with its JSON Pointer; an empty list if it satisfies the schema. No more violations
/// are computed than are listed.
pub(crate) fn violations(value: &Value, schema: &Schema) -> Vec<String> {
    let found = match schema.violations(value, MAX_VIOLATIONS + 1) {
        Ok(found) => found,
        Err(too_much) => return vec![too_much.to_string()],
    };
    let has_more = found.len() > MAX_VIOLATIONS;
    let listed = found.into_iter().take(MAX_VIOLATIONS).map(|violation| {
        let place = if violation.pointer.is_empty() { "at the root".to_owned() } else { format!("at `{}`", violation.pointer) };
        format!("{place}: {}", cut(&violation.message, QUOTED_VIOLATION))
    });
    listed.chain(has_more.then(|| "and more".to_owned())).collect()
}

/// Returns the text inside a Markdown code fence if the whole text is one: many models wrap JSON in one although they are asked not to.
fn without_code_fence(text: &str) -> &str {
    let text = text.trim();
    let inside = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    let Some(inside) = inside else { return text };
    // The rest of the fence's line names the language.
    match inside.split_once('\n') {
        Some((language, body)) if language.trim().bytes().all(|byte| byte.is_ascii_alphanumeric()) => body.trim(),
        _ => inside.trim(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed(text: &str, schema: &Value) -> Result<Value, String> {
        parse(text, &validator(schema, "outputSchema").unwrap()).map_err(|violation| violation.to_string())
    }

    #[test]
    fn json_is_found_bare_or_fenced() {
        for text in [
            "{\"a\":1}",
            "  {\"a\":1}\n",
            "```json\n{\"a\":1}\n```",
            "```\n{\"a\":1}\n```",
            "\n```JSON\r\n{\"a\":1}\r\n```\n",
            "```{\"a\":1}```",
        ] {
            assert_eq!(parsed(text, &json!({})), Ok(json!({"a": 1})), "{text:?}");
        }
        assert_eq!(parsed("\"```\"", &json!({})), Ok(json!("```")));
        for text in ["", "```", "```json```", "Sure! {\"a\":1}", "```json\n{\"a\":1}"] {
            assert!(parsed(text, &json!({})).unwrap_err().contains("is not JSON"), "{text:?}");
        }
    }

    #[test]
    fn json_is_found_after_the_reasoning() {
        for text in [
            "<think>Is it {\"a\":2}?</think>{\"a\":1}",
            "<think>\nLet me see.\n</think>\n\n```json\n{\"a\":1}\n```",
            "Let me see.\n</think>\n{\"a\":1}",
        ] {
            assert_eq!(parsed(text, &json!({})), Ok(json!({"a": 1})), "{text:?}");
        }
        assert_eq!(parsed(r#""</think>""#, &json!({})), Ok(json!("</think>")));
        assert!(parsed("<think>{\"a\":1}", &json!({})).unwrap_err().contains("is not JSON"));
    }

    #[test]
    fn a_number_that_would_change_its_value_is_named_with_its_path() {
        let error = parsed(r#"{"ids":[1,18446744073709551616]}"#, &json!({})).unwrap_err();
        assert!(
            error.starts_with("the model's answer has a number at `ids[1]` that would change its value: 18446744073709551616. "),
            "{error}"
        );
    }

    #[test]
    fn every_violation_is_listed_with_its_path() {
        let schema = json!({
            "type": "object",
            "properties": {"amount": {"type": "number"}, "tags": {"type": "array", "items": {"type": "string"}}},
            "required": ["amount", "reason"],
        });
        let error = parsed(r#"{"amount":"ten","tags":["a",1]}"#, &schema).unwrap_err();
        assert!(error.starts_with("the model's answer does not satisfy outputSchema: "), "{error}");
        for part in
            [r#"at `/amount`: "ten" is not of type "number""#, "at `/tags/1`: 1 is not", r#"at the root: "reason" is a required property"#]
        {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_list_of_violations_is_bounded() {
        let answer = format!("[{}]", vec![format!("\"{}\"", "x".repeat(1000)); 50].join(","));
        let error = parsed(&answer, &json!({"items": {"type": "number"}})).unwrap_err();
        assert!(error.ends_with("; and more"), "{error}");
        assert_eq!(error.matches("at `/").count(), MAX_VIOLATIONS, "{error}");
        assert!(error.len() < 10_000);
    }
}
