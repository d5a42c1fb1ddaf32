//! Reads a chat completion.

use domain::ports::EffectError;
use serde::Deserialize;
use serde_json::Value;

use crate::failure::cut;
use crate::http::response::ReceivedResponse;
use crate::llm::chat::{ChatRequest, Completion, FILTERED, TokenCounts, ToolCall};

#[derive(Debug, Default, Deserialize)]
struct Usage {
    #[serde(rename = "prompt_tokens")]
    prompt: Option<u64>,
    #[serde(rename = "completion_tokens")]
    completion: Option<u64>,
    #[serde(rename = "total_tokens")]
    total: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct ChatCompletion {
    choices: Option<Vec<Choice>>,
    model: Option<String>,
    usage: Option<Usage>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    message: Option<ChoiceMessage>,
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct ChoiceMessage {
    content: Option<String>,
    refusal: Option<String>,
    /// A list of [`ApiToolCall`], which is read only if the request had tools.
    tool_calls: Option<Value>,
}

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
    let text = String::from_utf8_lossy(&received.body);
    let error_message = error_message(&text);
    if received.status == 401 {
        // The provider's own message quotes a part of the key.
        return Err(received.failure("the provider does not accept this deployment's LLM_API_KEY; its operator must set a valid one"));
    }
    if !received.is_success() {
        let message = error_message.unwrap_or_else(|| text.into_owned());
        return Err(received.failure(&received.target.quote(&message)));
    }
    // Some servers answer 200 to a failure.
    if let Some(message) = error_message {
        return Err(received.unusable(&format!("with an error: {}", received.target.quote(&message))));
    }
    let completion: ChatCompletion = serde_json::from_str(&text)
        .map_err(|why| received.unusable(&format!("not with a chat completion ({why}): {}", received.target.quote(&text))))?;
    let choice = completion.choices.unwrap_or_default().into_iter().next();
    let choice = choice.ok_or_else(|| received.unusable("without an answer: `choices` is empty"))?;
    let message = choice.message.unwrap_or_default();
    if let Some(refusal) = message.refusal.filter(|refusal| !refusal.is_empty()) {
        return Err(received.unusable(&format!("the model refuses: {}", received.target.quote(&refusal))));
    }
    match choice.finish_reason.as_deref() {
        Some("length") => return Err(received.unusable(&request.truncation_error())),
        Some("content_filter") => return Err(received.unusable(FILTERED)),
        _ => {}
    }
    // A model without tools cannot call one, whatever it says.
    let api_calls = message.tool_calls.filter(|calls| !request.tools.is_empty() && !calls.is_null());
    let api_calls: Vec<ApiToolCall> = api_calls
        .map_or_else(|| Ok(Vec::new()), serde_json::from_value)
        .map_err(|why| received.unusable(&format!("its `tool_calls` cannot be read ({why})")))?;
    let round = request.messages.len();
    let calls: Vec<ToolCall> = api_calls.into_iter().enumerate().map(|(at, call)| call.into_call(format!("call_{round}_{at}"))).collect();
    if calls.is_empty() && message.content.is_none() {
        let reason = choice.finish_reason.as_deref().unwrap_or("none");
        return Err(received.unusable(&format!("without any text (finish_reason: {})", cut(reason, 40))));
    }
    let usage = completion.usage.unwrap_or_default();
    let tokens = TokenCounts { prompt: usage.prompt, completion: usage.completion, total: usage.total };
    Ok(Completion { text: message.content, calls, model: completion.model.unwrap_or_else(|| model.to_owned()), tokens })
}

/// The message of an error body: `{"error": {"message": …}}`, or one of the shorter forms that other servers use.
fn error_message(text: &str) -> Option<String> {
    let body: Value = serde_json::from_str(text).ok()?;
    let error = body.get("error").filter(|error| !error.is_null())?;
    let message = error.get("message").unwrap_or(error);
    Some(message.as_str().map_or_else(|| message.to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_bodies_of_several_servers_are_understood() {
        assert_eq!(error_message(r#"{"error":{"message":"no","type":"x"}}"#).as_deref(), Some("no"));
        assert_eq!(error_message(r#"{"error":"no"}"#).as_deref(), Some("no"));
        assert_eq!(error_message(r#"{"error":{"code":7}}"#).as_deref(), Some(r#"{"code":7}"#));
        assert_eq!(error_message(r#"{"error":null,"choices":[]}"#), None);
        assert_eq!(error_message("<html>"), None);
    }
}
