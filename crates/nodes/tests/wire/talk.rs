//! What a model says in the chat-completions protocol, and a world of one model and one service.

use domain::flow::Tool;
use domain::ports::{Effect, EffectError, Effects};
use domain::request::{LlmRequest, Request};
use serde_json::{Value, json};

use crate::server::{Seen, Server};
use crate::world::{context, llm, world_with};

fn completion(message: &Value, reason: &str) -> (u16, String) {
    let body = json!({
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15},
    });
    (200, body.to_string())
}

/// An answer.
pub fn says(content: &str) -> (u16, String) {
    completion(&json!({"role": "assistant", "content": content}), "stop")
}

/// An answer that asks for tools, given as `(id, name, arguments)`.
pub fn wants(calls: &[(&str, &str, &str)]) -> (u16, String) {
    completion(&json!({"role": "assistant", "content": null, "tool_calls": asked_for(calls)}), "tool_calls")
}

/// The same as the protocol writes it.
pub fn asked_for(calls: &[(&str, &str, &str)]) -> Value {
    let call = |(id, name, arguments): &(&str, &str, &str)| {
        let function = json!({"name": name, "arguments": arguments});
        json!({"id": id, "type": "function", "function": function})
    };
    calls.iter().map(call).collect()
}

/// The messages of a request to the model.
pub fn messages(seen: &Seen) -> Vec<Value> {
    seen.json()["messages"].as_array().unwrap().clone()
}

/// What the model was last told, as the tool's result.
pub fn told(model: &Server) -> String {
    let last = messages(model.seen().last().unwrap()).pop().unwrap();
    assert_eq!(last["role"], "tool", "{last}");
    last["content"].as_str().unwrap().to_owned()
}

/// A question with one tool, `custom:echo`.
pub fn with_tool(schema: Option<Value>) -> LlmRequest {
    let input_schema =
        json!({"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"], "additionalProperties": false});
    let tool = Tool { slug: "custom:echo".parse().unwrap(), description: "Looks a customer up".to_owned(), input_schema };
    LlmRequest { tools: vec![tool], ..llm(schema) }
}

/// Asks the model, which has the service at its disposal.
pub async fn converse(model: &Server, service: &Server, request: LlmRequest) -> Result<Effect, EffectError> {
    let world = world_with(Ok(service.url("/v2?api=7")), &model.url("/v1"), "loopback");
    world.perform(&context(), &Request::Llm(request)).await
}
