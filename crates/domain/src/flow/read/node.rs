//! Reads a node: the fields that every node has, and those of its type.

use super::{approval, control, http, llm};
use crate::flow::node::{Node, NodeKind, Retry, Route};
use crate::flow::object_reader::ObjectReader;
use crate::flow::raw::Defaults;
use crate::name::NodeId;

const TYPES: &str = "llm_step, service_call, http_request, http_sink, webhook_emit, decision, transform, wait, human_approval";
/// The most seconds that one attempt may take; an invocation of 15 minutes has room for it.
const MAX_ATTEMPT_SECONDS: u32 = 600;

pub(super) fn node(mut fields: ObjectReader<'_>, defaults: &Defaults) -> Option<Node> {
    let id = fields.parse("id").filter(|id: &NodeId| !id.is_internal());
    if id.is_none() && fields.optional_string("id").is_some_and(|id| id.contains('@')) {
        fields.problem("id", "must be 1 to 64 letters, digits, `_` or `-`");
    }
    let type_name = fields.string("type");
    let retry = retry(&mut fields);
    let timeout = fields.small_integer("timeoutSeconds", 1..=MAX_ATTEMPT_SECONDS);
    let on_error = fields.route("onError").unwrap_or(Route::Fail);
    let (kind, default_timeout) = match type_name? {
        "llm_step" => (llm::llm(&mut fields).map(NodeKind::Llm), 120),
        "service_call" => (http::service(&mut fields).map(NodeKind::Service), 30),
        "http_request" => (http::http(&mut fields).map(NodeKind::Http), 30),
        "decision" => (control::decision(&mut fields).map(NodeKind::Decision), 30),
        "transform" => (fields.template("output").map(NodeKind::Transform), 30),
        "wait" => (control::wait(&mut fields).map(NodeKind::Wait), 30),
        "http_sink" => (http::sink(&mut fields).map(NodeKind::Sink), 30),
        "webhook_emit" => (control::emit(&mut fields).map(NodeKind::Emit), 30),
        "human_approval" => (approval::approval(&mut fields, defaults).map(NodeKind::Approval), 30),
        other => {
            fields.problem("type", format!("unknown node type `{other}`; the types are {TYPES}"));
            return None;
        }
    };
    fields.finish();
    Some(Node { id: id?, kind: kind?, retry, timeout_seconds: timeout.unwrap_or(default_timeout), on_error })
}

fn retry(fields: &mut ObjectReader<'_>) -> Retry {
    let default = Retry::default();
    let path = fields.at("retry");
    let Some(mut fields) = fields.optional("retry").and_then(|value| fields.inner(value, path)) else {
        return default;
    };
    let retry = Retry {
        max_attempts: fields.small_integer("maxAttempts", 1..=20).unwrap_or(3),
        initial_delay_seconds: fields.small_integer("initialDelaySeconds", 0..=86_400).unwrap_or(default.initial_delay_seconds),
        backoff_rate: fields.number("backoffRate", 1.0..=10.0).unwrap_or(default.backoff_rate),
        max_delay_seconds: fields.small_integer("maxDelaySeconds", 0..=604_800).unwrap_or(default.max_delay_seconds),
    };
    fields.finish();
    retry
}
