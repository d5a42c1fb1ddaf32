//! Responses in the chat-completions protocol, and steps that ask one model with one service.

use domain::flow::Tool;
use domain::ports::{Effect, EffectError, Effects};
use domain::request::{LlmRequest, Request};
use serde_json::{Value, json};

use crate::server::{SeenRequest, Server};
use crate::setup::{context, effects_with, llm};

fn completion(message: &Value, reason: &str) -> (u16, String) {
    let body = json!({
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15},
    });
    (200, body.to_string())
}

/// A text answer.
pub fn text_answer(content: &str) -> (u16, String) {
    completion(&json!({"role": "assistant", "content": content}), "stop")
}

/// An answer that asks for tools, given as `(id, name, arguments)`.
pub fn tool_calls_answer(calls: &[(&str, &str, &str)]) -> (u16, String) {
    completion(&json!({"role": "assistant", "content": null, "tool_calls": api_calls(calls)}), "tool_calls")
}

/// Tool calls as the protocol writes them.
pub fn api_calls(calls: &[(&str, &str, &str)]) -> Value {
    let call = |(id, name, arguments): &(&str, &str, &str)| {
        let function = json!({"name": name, "arguments": arguments});
        json!({"id": id, "type": "function", "function": function})
    };
    calls.iter().map(call).collect()
}

/// The messages of a request to the model.
pub fn messages(seen: &SeenRequest) -> Vec<Value> {
    seen.json()["messages"].as_array().unwrap().clone()
}

/// The tool result that the model was sent last.
pub fn last_tool_result(model: &Server) -> String {
    let last = messages(model.seen().last().unwrap()).pop().unwrap();
    assert_eq!(last["role"], "tool", "{last}");
    last["content"].as_str().unwrap().to_owned()
}

/// A step with one tool, `custom:echo`.
pub fn with_tool(schema: Option<Value>) -> LlmRequest {
    let input_schema =
        json!({"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"], "additionalProperties": false});
    let tool = Tool { slug: "custom:echo".parse().unwrap(), description: "Looks a customer up".to_owned(), input_schema };
    LlmRequest { tools: vec![tool], ..llm(schema) }
}

/// Performs a step with this model and this service.
pub async fn run_step(model: &Server, service: &Server, request: LlmRequest) -> Result<Effect, EffectError> {
    let effects = effects_with(Ok(service.url("/v2?api=7")), &model.url("/v1"), "loopback");
    effects.perform(&context(), &Request::Llm(request)).await
}
