//! What a node has to do.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::flow::{Exit, Tool};
use crate::gate::Question;
use crate::name::ServiceSlug;
use crate::time::Time;

/// What a node has to do, with its templates filled in.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Send a request.
    Request(Request),
    /// Nothing: the result is known.
    Done {
        /// The input of the step.
        input: Value,
        /// The output of the step.
        output: Value,
        /// The exit by which the node is left.
        exit: Exit,
    },
    /// Open a gate.
    Ask(Question),
    /// Wait.
    Pause(Pause),
    /// Emit an event.
    Emit {
        /// The name of the event.
        event: String,
        /// The data of the event.
        data: Value,
    },
}

/// How long a node waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// This number of seconds from the beginning of the node.
    Seconds(u64),
    /// Until this time.
    Until(Time),
}

/// A request of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// To a language model.
    Llm(LlmRequest),
    /// To a registered service.
    Service(ServiceRequest),
    /// To a URL.
    Http(HttpCall),
    /// To a URL; only the status of the response matters.
    Sink(HttpCall),
}

/// A request to a language model.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LlmRequest {
    /// The model id, as the flow has it.
    pub model: String,
    /// The instructions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// The question.
    pub user_prompt: String,
    /// What followed the prompts in earlier rounds: each draft, and what a reviewer said to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conversation: Vec<Turn>,
    /// The JSON Schema of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// The tools that the model may call before it answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// The sampling temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The most tokens the answer may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
}

/// A message of a conversation with a model, after its prompts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "role", content = "content", rename_all = "camelCase")]
pub enum Turn {
    /// What the model answered, word for word.
    Assistant(String),
    /// What a reviewer answered to that, word for word.
    User(String),
}

/// A call through a service connection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceRequest {
    /// The slug of the connection.
    pub service: ServiceSlug,
    /// The HTTP method.
    pub method: String,
    /// The path below the base URL, percent-encoded.
    pub path: String,
    /// The query parameters.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// The request headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body, sent as canonical JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

/// A request to a URL.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HttpCall {
    /// The absolute URL.
    pub url: String,
    /// The HTTP method.
    pub method: String,
    /// The request headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body, sent as canonical JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

impl Request {
    /// Returns the `input` of the step: what is sent, as JSON.
    pub fn as_input(&self) -> Value {
        let value = match self {
            Self::Llm(request) => serde_json::to_value(request),
            Self::Service(request) => serde_json::to_value(request),
            Self::Http(request) | Self::Sink(request) => serde_json::to_value(request),
        };
        // Maps with string keys and finite numbers always serialize.
        value.unwrap_or(Value::Null)
    }
}
