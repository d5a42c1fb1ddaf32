//! The body of a request.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::llm::chat::{ChatMessage, ChatRequest, ToolCall, schema_instruction};
use crate::llm::options::{ChatOptions, Dialect, ResponseFormat, Temperature, TokenLimit};

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

/// Returns the body, without what the step does not ask for. `dialect` says how the fields are written that servers treat differently.
pub(super) fn body(options: &ChatOptions, dialect: Dialect, model: &str, request: &ChatRequest<'_>) -> Value {
    let step = request.step;
    let mut body: Map<String, Value> = options.fields.clone();
    let mut set = |name: &str, value: Value| body.insert(name.to_owned(), value);
    set("model", json!(model));
    if let (Some(temperature), Temperature::Send) = (step.temperature, dialect.temperature) {
        set("temperature", Value::from(temperature));
    }
    if let Some(most) = step.max_tokens {
        let name = match dialect.token_limit {
            TokenLimit::MaxTokens => "max_tokens",
            TokenLimit::MaxCompletionTokens => "max_completion_tokens",
        };
        set(name, Value::from(most));
    }
    let schema = step.output_schema.as_ref().filter(|schema| schema.is_object());
    match (schema, dialect.response_format) {
        (Some(schema), ResponseFormat::JsonSchema) => {
            // Not strict: that mode takes a subset of JSON Schema (every object with `additionalProperties: false` and all of its
            // properties required, an object at the root) and answers 400 to the rest, while a flow may use all of it. Strict or
            // not, the answer is validated here.
            let format = json!({"type": "json_schema", "json_schema": {"name": "output", "schema": schema, "strict": false}});
            set("response_format", format);
        }
        // An object is all that this format allows.
        (Some(schema), ResponseFormat::JsonObject) if schema.get("type").is_none_or(|kind| kind == "object") => {
            set("response_format", json!({"type": "json_object"}));
        }
        _ => {}
    }
    let instruction = schema.filter(|_| dialect.response_format != ResponseFormat::JsonSchema).map(schema_instruction);
    set("messages", messages(request.messages, instruction));
    if !request.tools.is_empty() {
        let functions = request.tools.iter().map(|tool| {
            let function = json!({"name": tool.name, "description": tool.description, "parameters": tool.parameters});
            json!({"type": "function", "function": function})
        });
        set("tools", functions.collect());
    }
    Value::Object(body)
}

/// The conversation; `instruction` is added to the system prompt, because some servers accept only one.
fn messages(conversation: &[ChatMessage], instruction: Option<String>) -> Value {
    let Some(instruction) = instruction else {
        return json!(conversation.iter().map(ApiMessage::from).collect::<Vec<_>>());
    };
    let (system, rest) = match conversation {
        [ChatMessage::System(prompt), rest @ ..] => (format!("{prompt}\n\n{instruction}"), rest),
        all => (instruction, all),
    };
    let first = ApiMessage::System { content: &system };
    json!(std::iter::once(first).chain(rest.iter().map(ApiMessage::from)).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use domain::request::LlmRequest;

    use super::*;

    fn step() -> LlmRequest {
        LlmRequest {
            model: "m".to_owned(),
            system_prompt: None,
            user_prompt: "u".to_owned(),
            conversation: Vec::new(),
            output_schema: Some(json!({"type": "object"})),
            tools: Vec::new(),
            temperature: Some(0.5),
            max_tokens: Some(9),
        }
    }

    fn sent(options: &str, conversation: &[ChatMessage]) -> Value {
        let options = ChatOptions::parse(options).unwrap();
        body(&options, options.dialect, "m", &ChatRequest { step: &step(), messages: conversation, tools: &[] })
    }

    #[test]
    fn the_options_decide_how_fields_are_written() {
        let usual = sent("{}", &[]);
        assert_eq!((&usual["max_tokens"], &usual["temperature"]), (&json!(9), &json!(0.5)));
        assert_eq!(usual["response_format"]["type"], "json_schema");
        let other = sent(
            r#"{"tokenLimit":"max_completion_tokens","responseFormat":"json_object","temperature":"omit","fields":{"reasoning_effort":"low"}}"#,
            &[],
        );
        assert_eq!((&other["max_completion_tokens"], other.get("max_tokens"), other.get("temperature")), (&json!(9), None, None));
        assert_eq!((&other["response_format"], &other["reasoning_effort"]), (&json!({"type": "json_object"}), &json!("low")));
        assert_eq!(sent(r#"{"responseFormat":"none"}"#, &[]).get("response_format"), None);
    }

    #[test]
    fn a_schema_that_is_not_in_a_field_is_in_the_instructions() {
        let conversation = [ChatMessage::System("Be brief.".to_owned()), ChatMessage::User("u".to_owned())];
        for format in ["json_object", "none"] {
            let options = format!(r#"{{"responseFormat":"{format}"}}"#);
            let with = sent(&options, &conversation);
            let system = with["messages"][0]["content"].as_str().unwrap();
            assert!(system.starts_with("Be brief.\n\nYour final answer must be nothing but JSON"), "{system}");
            assert!(system.ends_with(r#"{"type":"object"}"#), "{system}");
            assert_eq!(with["messages"][1], json!({"role": "user", "content": "u"}));
            let without = sent(&options, &conversation[1..]);
            assert_eq!(without["messages"][0]["role"], "system");
        }
    }
}
