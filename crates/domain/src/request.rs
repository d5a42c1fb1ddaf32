//! From a node and what the run knows to the work to be done: templates filled in, nothing sent yet.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::access::Assignee;
use crate::flow::{Approval, Decision, Node, NodeKind, ServiceSlug, Tool, Wait};
use crate::gate::{MAX_ACTION_BYTES, MAX_LABEL_BYTES};
use crate::json::canonical;
use crate::path_guard::has_dot_segment;
use crate::run::Exit;
use crate::template::{Missing, TemplateContext, Text};
use crate::time::Time;

/// RFC 3986 "unreserved": everything else is encoded, so that a value stays inside its segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a node's turn comes down to.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Something to send.
    Request(Request),
    /// Nothing to send: the result is known.
    Done {
        /// What it was made from.
        input: Value,
        /// What it gives.
        output: Value,
        /// The way it goes on.
        exit: Exit,
    },
    /// A person to ask.
    Ask(Question),
    /// A time to wait for.
    Pause(Pause),
    /// An event to record.
    Emit {
        /// Its name.
        event: String,
        /// What it says.
        data: Value,
    },
}

/// How long a node waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// So many seconds from its turn.
    Seconds(u64),
    /// Until then.
    Until(Time),
}

/// What is sent to the world.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// To a language model.
    Llm(LlmRequest),
    /// To a registered service.
    Service(ServiceRequest),
    /// To a URL.
    Http(HttpCall),
    /// To a URL, whose answer does not matter beyond its status.
    Sink(HttpCall),
}

/// A question to a language model.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LlmRequest {
    /// The flow's model id.
    pub model: String,
    /// The instructions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// The question.
    pub user_prompt: String,
    /// JSON Schema of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// What the model may call before it answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// Sampling temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The most tokens the answer may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
}

/// A call through a service connection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceRequest {
    /// The connection.
    pub service: ServiceSlug,
    /// HTTP method.
    pub method: String,
    /// Path below the base URL, percent-encoded.
    pub path: String,
    /// Query parameters.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// Request headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Body, sent as canonical JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

/// A call of a URL.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HttpCall {
    /// Absolute URL.
    pub url: String,
    /// HTTP method.
    pub method: String,
    /// Request headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Body, sent as canonical JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

/// What a gate asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// What the reviewer is asked to allow.
    pub action_label: String,
    /// The action.
    pub proposed_action: Value,
    /// What the reviewer sees beside it.
    pub data: Option<Value>,
    /// Who may decide.
    pub assign_to: Option<Assignee>,
    /// How long they have, in seconds.
    pub timeout_seconds: u64,
}

impl Request {
    /// The step's `input`: what is sent, as JSON.
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

/// Why a node's work cannot be made out: the step fails with this text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unprepared {
    /// A template names what is not there.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// What came out of a template is not usable.
    #[error("{0}")]
    Unusable(String),
}

impl Node {
    /// Fills in the node's templates.
    pub fn prepare(&self, scope: &TemplateContext<'_>) -> Result<Work, Unprepared> {
        Ok(match &self.kind {
            NodeKind::Llm(step) => Work::Request(Request::Llm(LlmRequest {
                model: step.model.clone(),
                system_prompt: step.system_prompt.as_ref().map(|text| text.fill(scope)).transpose()?,
                user_prompt: step.user_prompt.fill(scope)?,
                output_schema: step.output_schema.clone(),
                tools: step.tools.clone(),
                temperature: step.temperature,
                max_tokens: step.max_tokens,
            })),
            NodeKind::Service(call) => Work::Request(Request::Service(ServiceRequest {
                service: call.service.clone(),
                method: call.method.clone(),
                path: fill_path(&call.path, scope)?,
                query: fill(&call.query, scope)?,
                headers: fill(&call.headers, scope)?,
                body: call.body.as_ref().map(|body| body.resolve(scope)).transpose()?,
            })),
            NodeKind::Http(call) => Work::Request(Request::Http(HttpCall {
                url: fill_url(&call.url, scope)?,
                method: call.method.clone(),
                headers: fill(&call.headers, scope)?,
                body: call.body.as_ref().map(|body| body.resolve(scope)).transpose()?,
            })),
            NodeKind::Transform(template) => {
                let output = template.resolve(scope)?;
                Work::Done { input: Value::Null, output, exit: Exit::Normal }
            }
            NodeKind::Decision(decision) => decide(decision, scope)?,
            NodeKind::Wait(Wait::Seconds(seconds)) => Work::Pause(Pause::Seconds(*seconds)),
            NodeKind::Wait(Wait::Until(until)) => {
                let text = until.fill(scope)?;
                Work::Pause(Pause::Until(text.parse().map_err(|bad| Unprepared::Unusable(format!("`until` {bad}, not `{text}`")))?))
            }
            NodeKind::Sink(sink) => Work::Request(Request::Sink(HttpCall {
                url: fill_url(&sink.url, scope)?,
                method: "POST".to_owned(),
                headers: BTreeMap::new(),
                body: sink.body.as_ref().map(|body| body.resolve(scope)).transpose()?,
            })),
            NodeKind::Emit(emit) => {
                let data = emit.data.as_ref().map(|data| data.resolve(scope)).transpose()?;
                Work::Emit { event: emit.event.clone(), data: data.unwrap_or_else(|| json!({})) }
            }
            NodeKind::Approval(gate) => Work::Ask(ask(gate, scope)?),
        })
    }
}

fn fill(texts: &BTreeMap<String, Text>, scope: &TemplateContext<'_>) -> Result<BTreeMap<String, String>, Missing> {
    texts.iter().map(|(name, text)| Ok((name.clone(), text.fill(scope)?))).collect()
}

/// Fills values into a path or URL, each within its segment.
fn fill_path(text: &Text, scope: &TemplateContext<'_>) -> Result<String, Unprepared> {
    for expression in text.path_expressions() {
        // `DELETE /items/` is another request than `DELETE /items/7`.
        if matches!(expression.resolve(scope)?, Value::Null) || expression.resolve(scope)? == "" {
            return Err(Unprepared::Unusable(format!(
                "`{expression}` is empty, and a path with nothing in its place would name something else"
            )));
        }
    }
    let filled = text.fill_encoded(scope, |value| utf8_percent_encode(value, SEGMENT).to_string())?;
    if has_dot_segment(&filled) {
        return Err(Unprepared::Unusable(format!("`{filled}` has a `.` or `..` between its slashes, which would lead to another path")));
    }
    Ok(filled)
}

fn fill_url(url: &Text, scope: &TemplateContext<'_>) -> Result<String, Unprepared> {
    // A URL that is one expression and nothing else is a whole URL; anywhere else a value is a part of one.
    if url.is_one_expression() { Ok(url.fill(scope)?) } else { fill_path(url, scope) }
}

fn decide(decision: &Decision, scope: &TemplateContext<'_>) -> Result<Work, Unprepared> {
    let value = decision.expression.resolve(scope)?;
    let text = match &value {
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => {
            return Err(Unprepared::Unusable(format!(
                "`{}` is an array or an object; a decision needs a single value",
                decision.expression
            )));
        }
        // Models often write 5.0 where a case says 5: as a number it is the same.
        Value::Number(number) => match number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 1e15) {
            Some(whole) => format!("{whole:.0}"),
            None => number.to_string(),
        },
        scalar => scalar.to_string(),
    };
    let selected = decision.cases.get_key_value(&text).map(|(case, _)| case).or(decision.default_case.as_ref());
    let position = selected.and_then(|case| decision.cases.keys().position(|name| name == case));
    let (Some(case), Some(position)) = (selected, position) else {
        let cases: Vec<_> = decision.cases.keys().map(String::as_str).collect();
        return Err(Unprepared::Unusable(format!("no case for `{text}` and no defaultCase; the cases are {}", cases.join(", "))));
    };
    Ok(Work::Done {
        input: json!({"expression": decision.expression.to_string(), "value": value}),
        output: json!({"selected": case}),
        exit: Exit::case(position),
    })
}

fn ask(gate: &Approval, scope: &TemplateContext<'_>) -> Result<Question, Unprepared> {
    let proposed_action = gate.proposed_action.resolve(scope)?;
    let data = gate.data.as_ref().map(|data| data.resolve(scope)).transpose()?;
    let bytes = canonical(&proposed_action).len() + data.as_ref().map_or(0, |data| canonical(data).len());
    if bytes > MAX_ACTION_BYTES {
        return Err(Unprepared::Unusable(format!(
            "the proposed action and its data have {bytes} bytes, more than the {MAX_ACTION_BYTES} a reviewer can be shown; pass a reference instead"
        )));
    }
    let assign_to = gate
        .assign_to
        .as_ref()
        .map(|text| {
            text.fill(scope)
                .map_err(Unprepared::from)
                .and_then(|text| short("assignTo", text))
                .and_then(|text| text.parse().map_err(|bad| Unprepared::Unusable(format!("assignTo {bad}"))))
        })
        .transpose()?;
    let action_label = short("actionLabel", gate.action_label.fill(scope)?)?;
    Ok(Question { action_label, proposed_action, data, assign_to, timeout_seconds: gate.timeout_seconds })
}

/// A text that lies in the gate's record and in every row of the inbox.
fn short(field: &str, text: String) -> Result<String, Unprepared> {
    if text.len() > MAX_LABEL_BYTES {
        return Err(Unprepared::Unusable(format!("{field} has {} bytes, more than the {MAX_LABEL_BYTES} it may have", text.len())));
    }
    Ok(text)
}
