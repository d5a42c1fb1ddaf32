//! Responses of Bedrock, and steps that ask it.

use domain::ports::{Effect, EffectError, Effects};
use domain::request::{LlmRequest, Request};
use serde_json::{Value, json};

use crate::server::{SeenRequest, Server};
use crate::setup::{context, effects_with};

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

/// A text answer.
pub fn text_answer(text: &str) -> (u16, String) {
    answer(&json!([{"text": text}]), "end_turn")
}

/// A block with a tool call.
pub fn tool_use(id: &str, name: &str, input: &Value) -> Value {
    json!({"toolUse": {"input": input, "name": name, "toolUseId": id}})
}

/// A model that gives these answers.
pub fn bedrock(answers: impl IntoIterator<Item = (u16, String)>) -> Server {
    Server::in_sequence(answers)
}

/// Performs a step with this model and this service.
pub async fn ask(bedrock: &Server, service: &Server, request: LlmRequest) -> Result<Effect, EffectError> {
    let request = LlmRequest { model: "quantum-ai:claude".to_owned(), ..request };
    let effects = effects_with(Ok(service.url("/v2?api=7")), &bedrock.url(""), "loopback");
    effects.perform(&context(), &Request::Llm(request)).await
}

pub fn messages(seen: &SeenRequest) -> Vec<Value> {
    seen.json()["messages"].as_array().unwrap().clone()
}
