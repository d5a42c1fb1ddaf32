//! What Bedrock says, and a world that asks it.

use domain::ports::{Effect, EffectError, Effects};
use domain::request::{LlmRequest, Request};
use serde_json::{Value, json};

use crate::server::{Seen, Server};
use crate::world::{context, world_with};

pub const MODEL: &str = "anthropic.claude-3-5-sonnet-20240620-v1:0";

/// A body of `bodies/`.
macro_rules! body {
    ($name:literal) => {
        serde_json::from_str::<serde_json::Value>(include_str!(concat!("bodies/", $name, ".json"))).unwrap()
    };
}
pub(crate) use body;

/// An answer of these blocks.
pub fn answer(content: &Value, stop_reason: &str) -> (u16, String) {
    let mut body = body!("response-text");
    body["output"]["message"]["content"] = content.clone();
    body["stopReason"] = stop_reason.into();
    (200, body.to_string())
}

/// An answer in words.
pub fn says(text: &str) -> (u16, String) {
    answer(&json!([{"text": text}]), "end_turn")
}

/// A block that asks for a tool.
pub fn tool_use(id: &str, name: &str, input: &Value) -> Value {
    json!({"toolUse": {"input": input, "name": name, "toolUseId": id}})
}

/// A model that gives these answers.
pub fn bedrock(answers: impl IntoIterator<Item = (u16, String)>) -> Server {
    Server::in_turn(answers)
}

/// Asks it, with a service at the disposal of its tools.
pub async fn ask(bedrock: &Server, service: &Server, request: LlmRequest) -> Result<Effect, EffectError> {
    let request = LlmRequest { model: "quantum-ai:claude".to_owned(), ..request };
    let world = world_with(Ok(service.url("/v2?api=7")), &bedrock.url(""), "loopback");
    world.perform(&context(), &Request::Llm(request)).await
}

pub fn messages(seen: &Seen) -> Vec<Value> {
    seen.json()["messages"].as_array().unwrap().clone()
}
