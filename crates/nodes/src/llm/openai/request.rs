//! The body of a request.

use serde::Serialize;
use serde_json::{Value, json};
use url::Url;

use crate::llm::chat::{ChatMessage, ChatRequest, ToolCall};

/// A message of the conversation as the protocol writes it.
#[derive(Debug, Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum ApiMessage<'a> {
    System {
        content: &'a str,
    },
    User {
        content: &'a str,
    },
    Assistant {
        content: Option<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<Value>,
    },
    Tool {
        tool_call_id: &'a str,
        content: &'a str,
    },
}

impl<'a> From<&'a ChatMessage> for ApiMessage<'a> {
    fn from(message: &'a ChatMessage) -> Self {
        match message {
            ChatMessage::System(content) => Self::System { content },
            ChatMessage::User(content) => Self::User { content },
            ChatMessage::Model { text, calls } => {
                let api_call = |call: &ToolCall| {
                    let function = json!({"name": call.name, "arguments": call.arguments});
                    json!({"id": call.id, "type": "function", "function": function})
                };
                Self::Assistant { content: text.as_deref(), tool_calls: calls.iter().map(api_call).collect() }
            }
            ChatMessage::Tool { id, content } => Self::Tool { tool_call_id: id, content },
        }
    }
}

/// Returns the body, without what the step does not ask for.
pub(super) fn body(url: &Url, model: &str, request: &ChatRequest<'_>) -> Value {
    let step = request.step;
    let messages: Vec<ApiMessage<'_>> = request.messages.iter().map(ApiMessage::from).collect();
    let mut body = json!({"model": model, "messages": messages});
    let mut set = |name: &str, value: Value| {
        if let Value::Object(fields) = &mut body {
            fields.insert(name.to_owned(), value);
        }
    };
    if let Some(temperature) = step.temperature {
        set("temperature", Value::from(temperature));
    }
    if let Some(most) = step.max_tokens {
        // OpenAI's newer models refuse `max_tokens`; many servers that speak its protocol know only that name.
        let name = if url.host_str() == Some("api.openai.com") { "max_completion_tokens" } else { "max_tokens" };
        set(name, Value::from(most));
    }
    if let Some(schema) = step.output_schema.as_ref().filter(|schema| schema.is_object()) {
        // Not strict: that mode takes a subset of JSON Schema (every object with `additionalProperties: false` and all of its
        // properties required, an object at the root) and answers 400 to the rest, while a flow may use all of it. Strict or
        // not, the answer is validated here.
        let format = json!({"type": "json_schema", "json_schema": {"name": "output", "schema": schema, "strict": false}});
        set("response_format", format);
    }
    if !request.tools.is_empty() {
        let functions = request.tools.iter().map(|tool| {
            let function = json!({"name": tool.name, "description": tool.description, "parameters": tool.parameters});
            json!({"type": "function", "function": function})
        });
        set("tools", functions.collect());
    }
    body
}

#[cfg(test)]
mod tests {
    use domain::request::LlmRequest;

    use super::*;

    #[test]
    fn the_token_limit_has_the_name_that_the_server_knows() {
        let step = LlmRequest {
            model: "m".to_owned(),
            system_prompt: None,
            user_prompt: "u".to_owned(),
            output_schema: None,
            tools: Vec::new(),
            temperature: None,
            max_tokens: Some(9),
        };
        let sent_to = |url: &str| body(&url.parse().unwrap(), "m", &ChatRequest { step: &step, messages: &[], tools: &[] });
        assert_eq!(sent_to("https://api.openai.com/v1/chat/completions")["max_completion_tokens"], 9);
        assert_eq!(sent_to("https://llm.example/v1/chat/completions")["max_tokens"], 9);
        assert_eq!(sent_to("https://llm.example/v1/chat/completions"), json!({"model": "m", "messages": [], "max_tokens": 9}));
    }
}
