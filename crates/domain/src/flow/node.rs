//! The nodes of a flow, by type.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::name::{NodeId, ServiceSlug};
use crate::template::{Expression, Template, Text};

/// The model of an `llm_step` that names none.
pub(super) const DEFAULT_MODEL: &str = "quantum-ai:default";

/// One node of a flow.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The name.
    pub id: NodeId,
    /// What the node does.
    pub kind: NodeKind,
    /// The attempts of the node, and the waits between them.
    pub retry: Retry,
    /// How long one attempt may take, in seconds.
    pub timeout_seconds: u32,
    /// What follows when all attempts have failed.
    pub on_error: Route,
}

/// What a node does.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    /// Asks a language model.
    Llm(LlmStep),
    /// Calls a registered service.
    Service(ServiceCall),
    /// Calls a URL.
    Http(HttpRequest),
    /// Chooses a branch.
    Decision(Decision),
    /// Makes a value.
    Transform(Template),
    /// Waits for a reviewer's decision.
    Approval(Approval),
    /// Waits for a time.
    Wait(Wait),
    /// Sends a request to a URL and only checks the status of the response.
    Sink(HttpSink),
    /// Emits an event to the organisation's webhooks.
    Emit(WebhookEmit),
}

impl NodeKind {
    /// Returns the `type` in a spec.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Llm(_) => "llm_step",
            Self::Service(_) => "service_call",
            Self::Http(_) => "http_request",
            Self::Decision(_) => "decision",
            Self::Transform(_) => "transform",
            Self::Approval(_) => "human_approval",
            Self::Wait(_) => "wait",
            Self::Sink(_) => "http_sink",
            Self::Emit(_) => "webhook_emit",
        }
    }

    /// Returns whether the node sends a request, which carries an Idempotency-Key.
    pub fn sends_request(&self) -> bool {
        matches!(self, Self::Llm(_) | Self::Service(_) | Self::Http(_) | Self::Sink(_))
    }

    /// Returns every expression in the node's templates, with its path below the node (`body.items[0]`).
    pub fn expressions(&self) -> Vec<(String, &Expression)> {
        let named = |field: &str, text| (field.to_owned(), text);
        let (texts, templates): (Vec<(String, &Text)>, Vec<_>) = match self {
            Self::Llm(step) => {
                let system = step.system_prompt.iter().map(|text| named("systemPrompt", text));
                (system.chain([named("userPrompt", &step.user_prompt)]).collect(), Vec::new())
            }
            Self::Service(call) => {
                let texts = [named("path", &call.path)].into_iter().chain(each("query", &call.query)).chain(each("headers", &call.headers));
                (texts.collect(), call.body.iter().map(|body| ("body", body)).collect())
            }
            Self::Http(call) => {
                let texts = [named("url", &call.url)].into_iter().chain(each("headers", &call.headers));
                (texts.collect(), call.body.iter().map(|body| ("body", body)).collect())
            }
            Self::Decision(decision) => return vec![("expression".to_owned(), &decision.expression)],
            Self::Transform(output) => (Vec::new(), vec![("output", output)]),
            Self::Wait(Wait::Seconds(_)) => return Vec::new(),
            Self::Wait(Wait::Until(until)) => (vec![named("until", until)], Vec::new()),
            Self::Sink(sink) => (vec![named("url", &sink.url)], sink.body.iter().map(|body| ("body", body)).collect()),
            Self::Emit(emit) => (Vec::new(), emit.data.iter().map(|data| ("data", data)).collect()),
            Self::Approval(gate) => {
                let assign_to = gate.assign_to.iter().map(|text| named("assignTo", text));
                let data = gate.data.iter().map(|data| ("data", data));
                (
                    [named("actionLabel", &gate.action_label)].into_iter().chain(assign_to).collect(),
                    [("proposedAction", &gate.proposed_action)].into_iter().chain(data).collect(),
                )
            }
        };
        let in_texts = texts.into_iter().flat_map(|(field, text)| text.expressions().map(move |expression| (field.clone(), expression)));
        in_texts.chain(templates.into_iter().flat_map(|(field, template)| template.expressions(field))).collect()
    }
}

fn each<'a>(field: &'a str, texts: &'a BTreeMap<String, Text>) -> impl Iterator<Item = (String, &'a Text)> {
    texts.iter().map(move |(key, text)| (format!("{field}.{key}"), text))
}

/// The fields of an `llm_step`.
#[derive(Debug, Clone, PartialEq)]
pub struct LlmStep {
    /// A model id such as `quantum-ai:default`, mapped to a provider's model by the deployment.
    pub model: String,
    /// The instructions.
    pub system_prompt: Option<Text>,
    /// The question.
    pub user_prompt: Text,
    /// JSON Schema of the answer; without it the answer is text.
    pub output_schema: Option<Value>,
    /// The tools that the model may call before it answers; each slug once.
    pub tools: Vec<Tool>,
    /// Sampling temperature, 0 to 2.
    pub temperature: Option<f64>,
    /// The most tokens the answer may have.
    pub max_tokens: Option<u32>,
}

/// One of an `llm_step`'s `tools`: a registered service that the model may call.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    /// The connection to call through, and the tool's name.
    pub slug: ServiceSlug,
    /// What the tool does, in words for the model.
    pub description: String,
    /// JSON Schema of the arguments: an object.
    pub input_schema: Value,
}

/// The fields of a `service_call`.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceCall {
    /// The connection to call through.
    pub service: ServiceSlug,
    /// HTTP method.
    pub method: String,
    /// Path below the connection's base URL; values are percent-encoded into it.
    pub path: Text,
    /// Query parameters.
    pub query: BTreeMap<String, Text>,
    /// Request headers.
    pub headers: BTreeMap<String, Text>,
    /// Body, sent as JSON.
    pub body: Option<Template>,
}

/// The fields of an `http_request`.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpRequest {
    /// Absolute URL; values are percent-encoded into it unless it is one expression alone.
    pub url: Text,
    /// HTTP method.
    pub method: String,
    /// Request headers.
    pub headers: BTreeMap<String, Text>,
    /// Body, sent as JSON.
    pub body: Option<Template>,
}

/// The fields of a `decision`.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The path to the value that is compared with the cases.
    pub expression: Expression,
    /// The node that follows each value; the position in this order is how a run remembers its choice.
    pub cases: BTreeMap<String, NodeId>,
    /// The case taken when no value matches.
    pub default_case: Option<String>,
}

/// The fields of a `wait`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// For this number of seconds from the beginning of the node.
    Seconds(u64),
    /// Until an RFC 3339 time. A time that has passed is not waited for.
    Until(Text),
}

/// The fields of an `http_sink`.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpSink {
    /// Absolute URL; values are percent-encoded into it unless it is one expression alone.
    pub url: Text,
    /// Body, sent as JSON by POST.
    pub body: Option<Template>,
}

/// The fields of a `webhook_emit`.
#[derive(Debug, Clone, PartialEq)]
pub struct WebhookEmit {
    /// The name of the event.
    pub event: String,
    /// The data of the event.
    pub data: Option<Template>,
}

/// The fields of a `human_approval`.
#[derive(Debug, Clone, PartialEq)]
pub struct Approval {
    /// What the reviewer is asked to allow, in words.
    pub action_label: Text,
    /// The proposed action.
    pub proposed_action: Template,
    /// Who may decide; none means every key with `runs:write`.
    pub assign_to: Option<Text>,
    /// The data that the reviewer sees with the action.
    pub data: Option<Template>,
    /// How long the gate stays open, in seconds.
    pub timeout_seconds: u64,
    /// What follows when the deadline passes without a decision.
    pub on_timeout: Route,
    /// What follows a rejection.
    pub on_reject: Route,
    /// JSON Schema that an override must satisfy.
    pub override_schema: Option<Value>,
    /// JSON Pointers below which an override may differ from the proposal.
    pub allowed_edits: Option<Vec<String>>,
    /// Excludes the actor who started the run.
    pub require_different_actor: bool,
    /// The number of approvals that are required.
    pub required_approvals: u32,
}

/// The `retry` of a node: exponential backoff, for failures after which another attempt may succeed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// The number of attempts, the first included.
    pub max_attempts: u32,
    /// The wait before the second attempt, in seconds.
    pub initial_delay_seconds: u32,
    /// The factor from one wait to the next.
    pub backoff_rate: f64,
    /// The longest wait, in seconds.
    pub max_delay_seconds: u32,
}

impl Default for Retry {
    /// Returns the retry of a node that has none: one attempt.
    fn default() -> Self {
        Self { max_attempts: 1, initial_delay_seconds: 1, backoff_rate: 2.0, max_delay_seconds: 60 }
    }
}

impl Retry {
    /// Returns the wait after `attempts` failures in milliseconds: a random share (`jitter`, 0 to 1) of the upper half of the backoff, so
    /// that runs that failed together do not try again together. None if no attempt is left.
    pub fn delay_millis(&self, attempts: u32, jitter: f64) -> Option<u64> {
        if attempts >= self.max_attempts {
            return None;
        }
        let exponent = i32::try_from(attempts.saturating_sub(1)).unwrap_or(i32::MAX);
        let backoff = f64::from(self.initial_delay_seconds) * self.backoff_rate.powi(exponent);
        let capped = backoff.min(f64::from(self.max_delay_seconds));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by max_delay_seconds and never negative")]
        Some((capped * 1000.0 * (0.5 + jitter.clamp(0.0, 1.0) / 2.0)) as u64)
    }
}

/// What follows a failure, a rejection or an expiry: `fail` or `route_to:<node>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// The run fails.
    Fail,
    /// The run continues at this node.
    To(NodeId),
}
