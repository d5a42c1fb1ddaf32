//! Reads a chat completion, as leniently as servers differ, and refuses what is not a whole answer.

use domain::ports::EffectError;
use serde::Deserialize;
use serde_json::Value;

use crate::failure::{cut, is_retryable_status};
use crate::http::response::ReceivedResponse;
use crate::llm::chat::{ChatRequest, Completion, FILTERED, TokenCounts, ToolCall};

/// The values of `finish_reason` that mean that the answer is whole, in lower case. `stop`, `tool_calls` and `function_call` are
/// OpenAI's; `eos`, `eos_token` and `stop_sequence` are those of Hugging Face's servers; `end_turn` and `tool_use` are Anthropic's and
/// `complete` is Cohere's, which some gateways pass on. Everything else is not a whole answer.
const COMPLETE: [&str; 9] =
    ["stop", "tool_calls", "function_call", "eos", "eos_token", "stop_sequence", "end_turn", "tool_use", "complete"];
/// The reasons that ask for tools.
const WANTS_TOOLS: [&str; 3] = ["tool_calls", "function_call", "tool_use"];
/// The marks around reasoning that stands in the text itself.
const REASONING: [(&str, &str); 2] = [("<think>", "</think>"), ("<thinking>", "</thinking>")];
/// The reasons of an answer that broke off, which another attempt may complete.
const BROKE_OFF: [&str; 6] = ["error", "abort", "aborted", "cancelled", "timeout", "insufficient_system_resource"];

#[derive(Debug, Deserialize)]
struct ApiToolCall {
    id: Option<String>,
    function: Function,
}

#[derive(Debug, Deserialize)]
struct Function {
    name: String,
    /// JSON as text; some servers send the object itself.
    #[serde(default)]
    arguments: Value,
}

impl ApiToolCall {
    /// `default_id` is the call's id if the server gives it none: the result has to name its call.
    fn into_call(self, default_id: String) -> ToolCall {
        let arguments = match self.function.arguments {
            Value::String(text) => text,
            Value::Null => String::new(),
            value => value.to_string(),
        };
        let id = self.id.filter(|id| !id.is_empty()).unwrap_or(default_id);
        ToolCall { id, name: self.function.name, arguments }
    }
}

/// Reads the response to `request`; `model` is the name of the model that was asked. Fails if it is not an answer that a step can use.
pub(super) fn read(received: &ReceivedResponse, model: &str, request: &ChatRequest<'_>) -> Result<Completion, EffectError> {
    let text = received.text();
    let body: Option<Result<Value, serde_json::Error>> = text.as_ref().ok().map(|text| serde_json::from_str(text));
    let is_blank = text.as_ref().is_ok_and(|text| text.trim().is_empty());
    let broke_off = !is_blank && matches!(&body, Some(Err(why)) if why.is_eof());
    let body = body.and_then(Result::ok);
    let api_error = body.as_ref().and_then(ApiError::of);
    if received.status == 401 {
        // The provider's own message quotes a part of the key.
        return Err(received.failure("the provider does not accept this deployment's LLM_API_KEY; its operator must set a valid one"));
    }
    if !received.is_success() {
        let message = api_error.map_or_else(|| received.quoted(), |error| received.target.quote(&error.message));
        return Err(received.failure(&message));
    }
    // Some servers answer 200 to a failure.
    if let Some(error) = api_error {
        return Err(error.in_success(received));
    }
    let text = text.map_err(|why| received.unusable(&why))?;
    if broke_off {
        return Err(received.unusable_for_now("it broke off: its body ends before the chat completion does"));
    }
    let body = body.ok_or_else(|| received.unusable(&format!("not with a chat completion: {}", received.target.quote(text))))?;
    let choice = body.get("choices").and_then(|choices| choices.get(0));
    let choice = choice.ok_or_else(|| received.unusable("without an answer: `choices` is empty"))?;
    let message = choice.get("message").unwrap_or(&Value::Null);
    if let Some(error) = ApiError::of(choice).or_else(|| ApiError::of(message)) {
        return Err(error.in_success(received));
    }
    let parts = Parts::of(message.get("content").unwrap_or(&Value::Null)).map_err(|why| received.unusable(&why))?;
    let refusal = message.get("refusal").and_then(Value::as_str).map(str::to_owned).or(parts.refusal);
    if let Some(refusal) = refusal.filter(|refusal| !refusal.is_empty()) {
        return Err(received.unusable(&format!("the model refuses: {}", received.target.quote(&refusal))));
    }
    let reason = complete_reason(received, choice, request)?;
    // A model without tools cannot call one, whatever it says.
    let api_calls = message.get("tool_calls").filter(|calls| !request.tools.is_empty() && !calls.is_null());
    let api_calls: Vec<ApiToolCall> = api_calls
        .map_or_else(|| Ok(Vec::new()), |calls| serde_json::from_value(calls.clone()))
        .map_err(|why| received.unusable(&format!("its `tool_calls` cannot be read ({why})")))?;
    let round = request.messages.len();
    let calls: Vec<ToolCall> = api_calls.into_iter().enumerate().map(|(at, call)| call.into_call(format!("call_{round}_{at}"))).collect();
    let text = parts.text.map(without_reasoning).filter(|text| !text.trim().is_empty());
    let no_text = received.unusable(&format!("without any text (finish_reason: {})", cut(&reason, 40)));
    if calls.is_empty() && WANTS_TOOLS.contains(&reason.as_str()) {
        return Err(no_text);
    }
    let model = body.get("model").and_then(Value::as_str).unwrap_or(model).to_owned();
    Ok(Completion { text, no_text, calls, model, tokens: tokens(body.get("usage").unwrap_or(&Value::Null)) })
}

/// Returns the reason for which the model stopped, in lower case, if it is one of a whole answer. A server that does not report one is
/// believed; one that reports `null` has not finished.
fn complete_reason(received: &ReceivedResponse, choice: &Value, request: &ChatRequest<'_>) -> Result<String, EffectError> {
    let reason = match choice.get("finish_reason") {
        None => return Ok("none".to_owned()),
        Some(Value::Null) => return Err(received.unusable_for_now("it broke off: its finish_reason is null")),
        Some(Value::String(reason)) => reason.to_lowercase(),
        Some(other) => other.to_string(),
    };
    match reason.as_str() {
        whole if COMPLETE.contains(&whole) => Ok(reason),
        "length" | "max_tokens" | "model_length" => Err(received.unusable(&request.truncation_error())),
        "content_filter" | "safety" | "recitation" => Err(received.unusable(FILTERED)),
        broken if BROKE_OFF.contains(&broken) => {
            Err(received.unusable_for_now(&format!("it broke off (finish_reason: {broken}); what there is of the text is not an answer")))
        }
        other => {
            let why = format!("it stopped for the reason `{}`, which is not known to be the end of an answer", cut(other, 40));
            Err(received.unusable(&why))
        }
    }
}

/// The content of a message: a text, or a list of parts.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parts {
    text: Option<String>,
    refusal: Option<String>,
}

impl Parts {
    /// Joins the parts that are text. Parts of reasoning are not the answer.
    fn of(content: &Value) -> Result<Self, String> {
        let parts = match content {
            Value::Null => return Ok(Self::default()),
            Value::String(text) => return Ok(Self { text: Some(text.clone()), refusal: None }),
            Value::Array(parts) => parts.as_slice(),
            part @ Value::Object(_) => std::slice::from_ref(part),
            Value::Bool(_) | Value::Number(_) => return Err("its `content` is neither a text nor a list of parts".to_owned()),
        };
        let mut joined = Self::default();
        for part in parts {
            let field = |name: &str| part.get(name).and_then(Value::as_str);
            match (part, field("type").unwrap_or("text")) {
                (Value::String(text), _) => joined.text.get_or_insert_default().push_str(text),
                (_, "text" | "output_text") => joined.text.get_or_insert_default().push_str(field("text").unwrap_or_default()),
                (_, "refusal") => joined.refusal = field("refusal").map(str::to_owned),
                (_, "thinking" | "reasoning" | "redacted_thinking" | "reasoning_content") => {}
                (_, other) => return Err(format!("its content has a part of the type `{}`, which is not text", cut(other, 40))),
            }
        }
        Ok(joined)
    }
}

/// Removes the reasoning that some models write before their answer. Reasoning that never ends has no answer after it.
fn without_reasoning(text: String) -> String {
    let mut rest = text.as_str();
    while let Some((begin, end)) = REASONING.into_iter().find(|(begin, _)| rest.trim_start().starts_with(begin)) {
        let reasoning = rest.trim_start().get(begin.len()..).unwrap_or_default();
        rest = reasoning.split_once(end).map(|(_, answer)| answer.trim_start()).unwrap_or_default();
    }
    if rest.len() == text.len() { text } else { rest.to_owned() }
}

/// Reads `usage`, which servers write in several ways. A count that cannot be read is not reported.
fn tokens(usage: &Value) -> TokenCounts {
    let count = |names: [&str; 2]| names.iter().find_map(|name| whole_number(usage.get(name)?));
    let (prompt, completion) = (count(["prompt_tokens", "input_tokens"]), count(["completion_tokens", "output_tokens"]));
    let sum = prompt.zip(completion).map(|(prompt, completion)| prompt.saturating_add(completion));
    TokenCounts { prompt, completion, total: count(["total_tokens", "total"]).or(sum) }
}

fn whole_number(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_u64().or_else(|| {
            let float = number.as_f64().filter(|float| float.fract() == 0.0 && (0.0..9e15).contains(float))?;
            format!("{float:.0}").parse().ok()
        }),
        _ => None,
    }
}

/// An error that a server reports in a body.
#[derive(Debug, PartialEq, Eq)]
struct ApiError {
    message: String,
    retryable: bool,
}

impl ApiError {
    /// Reads the error of a body or of a choice: `{"error": {"message": …, "code": …}}`, one of the shorter forms that other servers
    /// use, or an object that says by itself that it is an error. `None` if there is none.
    fn of(value: &Value) -> Option<Self> {
        let is_error_itself = ["object", "type"].iter().any(|name| value.get(name).is_some_and(|kind| kind == "error"));
        let error = match value.get("error") {
            Some(Value::Null | Value::Bool(false)) | None if is_error_itself => value,
            Some(Value::Null | Value::Bool(false)) | None => return None,
            Some(Value::String(text)) if text.is_empty() => return None,
            Some(Value::Bool(true)) => value,
            Some(error) => error,
        };
        let message = error.get("message").unwrap_or(error);
        let message = message.as_str().map_or_else(|| message.to_string(), str::to_owned);
        Some(Self { message, retryable: is_retryable_error(error) })
    }

    /// The step's error for a response whose status says that it succeeded.
    fn in_success(&self, received: &ReceivedResponse) -> EffectError {
        let why = format!("with an error: {}", received.target.quote(&self.message));
        if self.retryable { received.unusable_for_now(&why) } else { received.unusable(&why) }
    }
}

/// Whether another attempt may cure an error, by its code, type or status: a number is an HTTP status.
fn is_retryable_error(error: &Value) -> bool {
    const PERMANENT: [&str; 5] = ["quota", "invalid", "auth", "permission", "context_length"];
    const TRANSIENT: [&str; 11] = [
        "rate_limit",
        "ratelimit",
        "too_many_requests",
        "overloaded",
        "server_error",
        "internal",
        "timeout",
        "unavailable",
        "resource_exhausted",
        "upstream",
        "provider_error",
    ];
    let codes: Vec<&Value> = ["code", "type", "status"].iter().filter_map(|name| error.get(name)).collect();
    let words: Vec<String> =
        codes.iter().filter_map(|code| code.as_str()).map(|code| code.to_lowercase().replace([' ', '-'], "_")).collect();
    let has = |parts: &[&str]| words.iter().any(|word| parts.iter().any(|part| word.contains(part)));
    let statuses = codes.iter().filter_map(|code| whole_number(code)).filter_map(|code| u16::try_from(code).ok());
    !has(&PERMANENT) && (has(&TRANSIENT) || statuses.into_iter().any(is_retryable_status))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(body: &str) -> Option<(String, bool)> {
        ApiError::of(&serde_json::from_str(body).unwrap()).map(|error| (error.message, error.retryable))
    }

    #[test]
    fn the_error_bodies_of_several_servers_are_understood() {
        for (body, message, retryable) in [
            (r#"{"error":{"message":"no","type":"x"}}"#, "no", false),
            (r#"{"error":"no"}"#, "no", false),
            (r#"{"error":{"code":7}}"#, r#"{"code":7}"#, false),
            (r#"{"error":{"message":"busy","code":429}}"#, "busy", true),
            (r#"{"error":{"message":"busy","code":"503"}}"#, "busy", true),
            (r#"{"error":{"message":"busy","type":"overloaded_error"}}"#, "busy", true),
            (r#"{"error":{"message":"busy","code":"rate_limit_exceeded"}}"#, "busy", true),
            (r#"{"error":{"message":"pay","code":429,"type":"insufficient_quota"}}"#, "pay", false),
            (r#"{"error":{"message":"no","code":400}}"#, "no", false),
            (r#"{"error":true,"message":"no"}"#, "no", false),
            (r#"{"object":"error","message":"no","code":500}"#, "no", true),
        ] {
            assert_eq!(error(body), Some((message.to_owned(), retryable)), "{body}");
        }
        for body in [r#"{"error":null,"choices":[]}"#, r#"{"error":"","choices":[]}"#, r#"{"choices":[]}"#, "[]", "7"] {
            assert_eq!(error(body), None, "{body}");
        }
    }

    #[test]
    fn usage_is_read_in_every_form_and_an_odd_one_is_not_reported() {
        let counts = |prompt, completion, total| TokenCounts { prompt, completion, total };
        for (usage, expected) in [
            (json!({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}), counts(Some(1), Some(2), Some(3))),
            (json!({"input_tokens": 1.0, "output_tokens": "2"}), counts(Some(1), Some(2), Some(3))),
            (json!({"prompt_tokens": -1, "completion_tokens": 2.5, "total_tokens": null}), counts(None, None, None)),
            (json!(null), counts(None, None, None)),
            (json!([]), counts(None, None, None)),
            (json!("free"), counts(None, None, None)),
        ] {
            assert_eq!(tokens(&usage), expected, "{usage}");
        }
    }

    #[test]
    fn content_may_be_parts() {
        let text = |content| Parts::of(&content).map(|parts| parts.text);
        assert_eq!(
            text(json!([{"type": "text", "text": "a"}, {"type": "thinking", "thinking": []}, "b", {"text": "c"}])),
            Ok(Some("abc".to_owned()))
        );
        assert_eq!(text(json!({"type": "text", "text": "a"})), Ok(Some("a".to_owned())));
        assert_eq!(text(json!([])), Ok(None));
        assert_eq!(Parts::of(&json!([{"type": "refusal", "refusal": "no"}])).unwrap().refusal.as_deref(), Some("no"));
        for content in [json!(7), json!(true), json!([{"type": "image_url"}])] {
            assert!(Parts::of(&content).is_err(), "{content}");
        }
    }

    #[test]
    fn reasoning_is_no_part_of_the_text() {
        for (text, expected) in [
            ("<think>a</think>\n\nb", "b"),
            ("\n<think></think>b", "b"),
            ("<think>a", ""),
            ("a <think>b</think>", "a <think>b</think>"),
            ("<think>a</think>\n<think>b</think>c", "c"),
            ("<thinking>a</thinking>b", "b"),
            (" b", " b"),
        ] {
            assert_eq!(without_reasoning(text.to_owned()), expected);
        }
    }
}
