//! How the server at `LLM_BASE_URL` wants to be asked: what servers of one protocol do differently.

use serde::Deserialize;
use serde_json::{Map, Value};

/// Fields of a request that are set from the step, and that `fields` must not replace.
const RESERVED: [&str; 10] =
    ["model", "messages", "tools", "tool_choice", "stream", "n", "response_format", "temperature", "max_tokens", "max_completion_tokens"];

/// The setting `LLM_OPTIONS`, a JSON object. Every field may be left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatOptions {
    /// How a request is written until the server's answer to it says otherwise.
    pub dialect: Dialect,
    /// More fields for every request, such as `reasoning_effort`.
    pub fields: Map<String, Value>,
}

/// Which of the fields that servers treat differently a request has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dialect {
    /// The name of the token limit (`tokenLimit`).
    pub token_limit: TokenLimit,
    /// How JSON is asked for (`responseFormat`).
    pub response_format: ResponseFormat,
    /// Whether `temperature` is sent (`temperature`).
    pub temperature: Temperature,
}

/// The field that limits the tokens of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenLimit {
    /// `max_tokens`, which most servers know.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`, which newer models of OpenAI require.
    MaxCompletionTokens,
}

/// How a model is asked for JSON. Every answer is validated here, whatever the server promises.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseFormat {
    /// `response_format` with the schema.
    #[default]
    JsonSchema,
    /// `response_format` of any JSON object, and the schema in the instructions.
    JsonObject,
    /// The schema in the instructions only.
    None,
}

/// Whether the step's `temperature` is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Temperature {
    /// It is sent.
    #[default]
    Send,
    /// It is left out: the model refuses it.
    Omit,
}

impl ChatOptions {
    /// Reads the setting. Fails with what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let options: RawOptions = serde_json::from_str(text).map_err(|why| why.to_string())?;
        if let Some(name) = options.fields.keys().find(|name| RESERVED.contains(&name.as_str())) {
            return Err(format!("`fields` cannot set `{name}`, which a step sets"));
        }
        let RawOptions { token_limit, response_format, temperature, fields } = options;
        Ok(Self { dialect: Dialect { token_limit, response_format, temperature }, fields })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct RawOptions {
    token_limit: TokenLimit,
    response_format: ResponseFormat,
    temperature: Temperature,
    fields: Map<String, Value>,
}

/// What servers write when they refuse a field, in lower case.
const REFUSALS: [&str; 14] = [
    "unsupported",
    "not support",
    "n't support",
    "unknown",
    "unrecognized",
    "unrecognised",
    "unexpected",
    "unavailable",
    "not available",
    "not permitted",
    "not allowed",
    "extra inputs",
    "extra_forbidden",
    "instead",
];

impl Dialect {
    /// Returns another dialect if a server's error says that it refuses a field of the request that was sent; `None` if the error is
    /// about something else, or if there is no other way to ask.
    pub(crate) fn without_refused_field(self, sent: &Value, error: &str) -> Option<Self> {
        let error = error.to_lowercase();
        if !REFUSALS.iter().any(|words| error.contains(words)) {
            return None;
        }
        let refuses = |field: &str| sent.get(field).is_some() && error.contains(field);
        if refuses("max_tokens") {
            return Some(Self { token_limit: TokenLimit::MaxCompletionTokens, ..self });
        }
        if refuses("max_completion_tokens") {
            return Some(Self { token_limit: TokenLimit::MaxTokens, ..self });
        }
        if sent.get("response_format").is_some()
            && ["response_format", "json_schema", "json_object"].iter().any(|name| error.contains(name))
        {
            let response_format = match self.response_format {
                ResponseFormat::JsonSchema => ResponseFormat::JsonObject,
                ResponseFormat::JsonObject | ResponseFormat::None => ResponseFormat::None,
            };
            return Some(Self { response_format, ..self });
        }
        refuses("temperature").then_some(Self { temperature: Temperature::Omit, ..self })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn options_are_read_strictly() {
        assert_eq!(ChatOptions::parse("{}"), Ok(ChatOptions::default()));
        let text = r#"{"tokenLimit":"max_completion_tokens","responseFormat":"json_object","temperature":"omit","fields":{"seed":7}}"#;
        let options = ChatOptions::parse(text).unwrap();
        assert_eq!(options.dialect.token_limit, TokenLimit::MaxCompletionTokens);
        assert_eq!((options.dialect.response_format, options.dialect.temperature), (ResponseFormat::JsonObject, Temperature::Omit));
        assert_eq!(options.fields["seed"], 7);
        for (text, says) in [
            ("{", "EOF"),
            (r#"{"maxTokens":"x"}"#, "unknown field `maxTokens`"),
            (r#"{"tokenLimit":"tokens"}"#, "unknown variant"),
            (r#"{"fields":{"messages":[]}}"#, "`fields` cannot set `messages`"),
        ] {
            let why = ChatOptions::parse(text).unwrap_err();
            assert!(why.contains(says), "{text}: {why}");
        }
    }

    #[test]
    fn a_refused_field_is_recognised_in_the_errors_of_several_servers() {
        let sent = json!({"max_tokens": 5, "temperature": 0.2, "response_format": {}});
        let start = Dialect::default();
        for (error, expected) in [
            (
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                Some(Dialect { token_limit: TokenLimit::MaxCompletionTokens, ..start }),
            ),
            (
                "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
                Some(Dialect { temperature: Temperature::Omit, ..start }),
            ),
            ("This response_format type is unavailable now", Some(Dialect { response_format: ResponseFormat::JsonObject, ..start })),
            (
                r#"[{"type":"extra_forbidden","loc":["body","response_format"],"msg":"Extra inputs are not permitted"}]"#,
                Some(Dialect { response_format: ResponseFormat::JsonObject, ..start }),
            ),
            ("max_tokens is too large: 999999. This model supports at most 4096 completion tokens.", None),
            ("Unknown model", None),
            ("Unsupported parameter: 'top_k'", None),
        ] {
            assert_eq!(start.without_refused_field(&sent, error), expected, "{error}");
        }
        let newer = Dialect { token_limit: TokenLimit::MaxCompletionTokens, ..start };
        let error = "Unrecognized request argument supplied: max_completion_tokens";
        assert_eq!(newer.without_refused_field(&json!({"max_completion_tokens": 5}), error), Some(start));
    }
}
