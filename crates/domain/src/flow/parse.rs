//! Reads a spec from JSON: the shape of each node. What spans nodes is in [`super::graph`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::fields::{Fields, SchemaCheck};
use super::node::{Approval, Decision, HttpRequest, HttpSink, LlmStep, Node, NodeKind, Retry, Route, ServiceCall, Tool, Wait, WebhookEmit};
use super::{MAX_GATES, MAX_NODES, MAX_TOOLS, MAX_WAIT_HOURS, NodeId, ServiceSlug, Spec};
use crate::access::Assignee;
use crate::path_guard::has_dot_segment;
use crate::problem::FieldErrors;
use crate::template::{Template, Text};
use crate::time::Time;
use crate::webhook::{is_event_name, is_reserved};

const TYPES: &str = "llm_step, service_call, http_request, http_sink, webhook_emit, decision, transform, wait, human_approval";
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];
/// A gate that nobody answers must not hang for ever: 90 days unless the flow says otherwise.
const DEFAULT_GATE_SECONDS: u64 = 90 * 24 * 3600;
/// One attempt may take this long at most; an invocation of 15 minutes has room for it.
const MAX_ATTEMPT_SECONDS: u32 = 600;

/// An edge as it stands in the spec.
pub(super) struct RawEdge {
    pub(super) path: String,
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    pub(super) case: Option<String>,
}

/// What a spec says before its parts are held against each other.
pub(super) struct Raw {
    pub(super) start: Option<NodeId>,
    pub(super) nodes: Vec<(String, Node)>,
    pub(super) edges: Vec<RawEdge>,
    pub(super) defaults: Defaults,
    /// What the run puts out, if the spec says so.
    pub(super) output: Option<Template>,
    /// Some node or edge could not be read: rules about the whole graph would only add noise.
    pub(super) incomplete: bool,
    /// The ids of such nodes: they exist, whatever else is wrong with them.
    pub(super) unread: BTreeSet<String>,
}

/// What gates do unless they say otherwise.
pub(super) struct Defaults {
    pub(super) on_reject: Route,
    pub(super) on_timeout: Route,
}

impl Spec {
    /// Reads and checks a spec that somebody sent; all problems at once, each at its JSON path (which starts with `spec`).
    pub fn parse(value: &Value) -> Result<Self, FieldErrors> {
        Self::checked(value, |schema| match jsonschema::validator_for(schema) {
            Ok(_) => Ok(()),
            Err(problem) => Err(format!("{problem} (at `{}`)", problem.instance_path())),
        })
    }

    /// Reads a spec that passed [`Spec::parse`] when it was saved. Every rule but one holds here too: whether a schema is a valid
    /// JSON Schema was settled then, and is not asked again.
    pub fn stored(value: &Value) -> Result<Self, FieldErrors> {
        Self::checked(value, |_| Ok(()))
    }

    fn checked(value: &Value, schema_check: SchemaCheck) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::new();
        let spec = Fields::of(value, "spec", schema_check, &mut errors).and_then(read);
        let spec = spec.and_then(|raw| Self::assemble(raw, &mut errors));
        match (spec, errors.is_empty()) {
            (Some(spec), true) => Ok(spec),
            _ => Err(errors),
        }
    }
}

fn read(mut fields: Fields<'_>) -> Option<Raw> {
    let start = fields.parse("startNodeId");
    let defaults = Defaults {
        on_reject: fields.route("onReject").unwrap_or(Route::Fail),
        on_timeout: fields.route("onTimeout").unwrap_or(Route::Fail),
    };
    let output = fields.optional_template("output");
    let given = fields.required("nodes").and_then(|_| fields.array("nodes"));
    let nodes = given.unwrap_or_default();
    let edges = fields.array("edges").unwrap_or_default();
    let incomplete = nodes.is_empty();
    if given.is_some() && nodes.is_empty() {
        fields.problem("nodes", "needs at least one node");
    }
    if nodes.len() > MAX_NODES {
        fields.problem("nodes", format!("a flow has at most {MAX_NODES} nodes, this one has {}", nodes.len()));
        return None;
    }
    let mut raw = Raw { start, nodes: Vec::new(), edges: Vec::new(), defaults, output, incomplete, unread: BTreeSet::new() };
    let gates = nodes.iter().filter(|node| node.get("type").is_some_and(|name| name == "human_approval")).count();
    if gates > MAX_GATES {
        fields.problem("nodes", format!("a flow has at most {MAX_GATES} approvals, this one has {gates}"));
    }
    for (at, value) in nodes.iter().enumerate() {
        let path = format!("spec.nodes[{at}]");
        if let Some(node) = fields.inner(value, path.as_str()).and_then(|fields| node(fields, &raw.defaults)) {
            raw.nodes.push((path, node));
        } else {
            raw.incomplete = true;
            raw.unread.extend(value.get("id").and_then(Value::as_str).map(str::to_owned));
        }
    }
    for (at, value) in edges.iter().enumerate() {
        let path = format!("spec.edges[{at}]");
        match fields.inner(value, path.as_str()).and_then(|fields| edge(fields, path)) {
            Some(edge) => raw.edges.push(edge),
            None => raw.incomplete = true,
        }
    }
    fields.finish();
    Some(raw)
}

fn edge(mut fields: Fields<'_>, path: String) -> Option<RawEdge> {
    let (from, to) = (fields.parse("from"), fields.parse("to"));
    let case = fields.optional_string("case").map(str::to_owned);
    fields.finish();
    Some(RawEdge { path, from: from?, to: to?, case })
}

fn node(mut fields: Fields<'_>, defaults: &Defaults) -> Option<Node> {
    let id = fields.parse("id").filter(|id: &NodeId| !id.is_internal());
    if id.is_none() && fields.optional_string("id").is_some_and(|id| id.contains('@')) {
        fields.problem("id", "must be 1 to 64 letters, digits, `_` or `-`");
    }
    let type_name = fields.string("type");
    let retry = retry(&mut fields);
    let timeout = fields.small_integer("timeoutSeconds", 1..=MAX_ATTEMPT_SECONDS);
    let on_error = fields.route("onError").unwrap_or(Route::Fail);
    let (kind, default_timeout) = match type_name? {
        "llm_step" => (llm(&mut fields).map(NodeKind::Llm), 120),
        "service_call" => (service(&mut fields).map(NodeKind::Service), 30),
        "http_request" => (http(&mut fields).map(NodeKind::Http), 30),
        "decision" => (decision(&mut fields).map(NodeKind::Decision), 30),
        "transform" => (fields.template("output").map(NodeKind::Transform), 30),
        "wait" => (wait(&mut fields).map(NodeKind::Wait), 30),
        "http_sink" => (sink(&mut fields).map(NodeKind::Sink), 30),
        "webhook_emit" => (emit(&mut fields).map(NodeKind::Emit), 30),
        "human_approval" => (approval(&mut fields, defaults).map(NodeKind::Approval), 30),
        other => {
            fields.problem("type", format!("unknown node type `{other}`; the types are {TYPES}"));
            return None;
        }
    };
    fields.finish();
    Some(Node { id: id?, kind: kind?, retry, timeout_seconds: timeout.unwrap_or(default_timeout), on_error })
}

fn retry(fields: &mut Fields<'_>) -> Retry {
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

fn llm(fields: &mut Fields<'_>) -> Option<LlmStep> {
    let model = fields.optional_string("model").unwrap_or("quantum-ai:default").to_owned();
    let system_prompt = fields.parse_optional("systemPrompt");
    let user_prompt = fields.parse("userPrompt");
    let output_schema = fields.schema("outputSchema");
    let temperature = fields.number("temperature", 0.0..=2.0);
    let max_tokens = fields.small_integer("maxTokens", 1..=1_000_000);
    let tools = tools(fields);
    Some(LlmStep { model, system_prompt, user_prompt: user_prompt?, output_schema, tools, temperature, max_tokens })
}

fn tools(fields: &mut Fields<'_>) -> Vec<Tool> {
    let given = fields.array("tools").unwrap_or_default();
    if given.len() > MAX_TOOLS {
        fields.problem("tools", format!("an llm_step has at most {MAX_TOOLS} tools, this one has {}", given.len()));
        return Vec::new();
    }
    let path = fields.at("tools");
    let mut slugs = BTreeSet::new();
    given
        .iter()
        .enumerate()
        .filter_map(|(at, value)| {
            let fields = fields.inner(value, format!("{path}[{at}]"))?;
            tool(fields, &mut slugs)
        })
        .collect()
}

fn tool(mut fields: Fields<'_>, slugs: &mut BTreeSet<ServiceSlug>) -> Option<Tool> {
    let slug: Option<ServiceSlug> = fields.parse("slug");
    if let Some(slug) = slug.as_ref().filter(|slug| !slugs.insert((*slug).clone())) {
        fields.problem("slug", format!("`{slug}` is a tool of this node already"));
    }
    let description = fields.string("description");
    if description.is_some_and(|text| text.trim().is_empty()) {
        fields.problem("description", "must say what the tool is good for: the model chooses by it");
    }
    let input_schema = fields.required("inputSchema").and_then(|_| fields.schema("inputSchema"));
    // Arguments are an object in every provider's protocol: under another schema each call would be refused.
    if input_schema.as_ref().is_some_and(|schema| schema.get("type").map_or(!schema.is_object(), |name| name != "object")) {
        fields.problem("inputSchema", "must be the schema of an object: arguments have names");
    }
    fields.finish();
    Some(Tool { slug: slug?, description: description?.to_owned(), input_schema: input_schema? })
}

fn method(fields: &mut Fields<'_>, default: &str) -> String {
    let method = fields.optional_string("method").unwrap_or(default).to_ascii_uppercase();
    if !METHODS.contains(&method.as_str()) {
        fields.problem("method", format!("must be one of {}", METHODS.join(", ")));
    }
    method
}

/// Headers that the platform sets itself, so that a flow cannot forge them.
fn headers(fields: &mut Fields<'_>) -> BTreeMap<String, Text> {
    const RESERVED: [&str; 6] = ["host", "content-length", "transfer-encoding", "idempotency-key", "traceparent", "x-quantum-trace-id"];
    let headers = fields.texts("headers");
    for name in headers.keys() {
        let token = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
        if !token {
            fields.problem(&format!("headers.{name}"), "is not a header name (RFC 9110, section 5.1)");
        } else if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
            fields.problem(&format!("headers.{name}"), "is set by the platform and cannot be chosen");
        }
    }
    headers
}

fn service(fields: &mut Fields<'_>) -> Option<ServiceCall> {
    let service = fields.parse("service");
    let body = fields.optional_template("body");
    let method = method(fields, if body.is_some() { "POST" } else { "GET" });
    if let Some(path) = fields.optional_string("path").filter(|path| !path.starts_with('/')) {
        fields.problem("path", format!("must start with `/`, not `{path}`"));
    }
    if let Some(path) = fields.optional_string("path").filter(|path| has_dot_segment(path)) {
        fields.problem("path", format!("must not contain `.` or `..` as a segment: `{path}` would lead to another path"));
    }
    let path = fields.parse("path");
    let query = fields.texts("query");
    let headers = headers(fields);
    Some(ServiceCall { service: service?, method, path: path?, query, headers, body })
}

fn http(fields: &mut Fields<'_>) -> Option<HttpRequest> {
    let url = fields.parse("url");
    let body = fields.optional_template("body");
    let method = method(fields, if body.is_some() { "POST" } else { "GET" });
    let headers = headers(fields);
    Some(HttpRequest { url: url?, method, headers, body })
}

fn sink(fields: &mut Fields<'_>) -> Option<HttpSink> {
    let url = fields.parse("url");
    let body = fields.optional_template("body");
    Some(HttpSink { url: url?, body })
}

fn emit(fields: &mut Fields<'_>) -> Option<WebhookEmit> {
    let event = fields.string("event");
    if event.is_some_and(|event| !is_event_name(event)) {
        fields.problem("event", "must be 1 to 64 letters, digits, `.`, `_` or `-`");
    } else if event.is_some_and(is_reserved) {
        // Whoever receives `flow.run.succeeded` must be able to rely on it.
        fields.problem("event", "must not begin with `flow.run.`, `generation.` or `webhook.`: those are this service's own events");
    }
    let data = fields.optional_template("data");
    Some(WebhookEmit { event: event?.to_owned(), data })
}

fn wait(fields: &mut Fields<'_>) -> Option<Wait> {
    let seconds = fields.integer("seconds", 0..=u64::from(MAX_WAIT_HOURS) * 3600);
    let until: Option<Text> = fields.parse_optional("until");
    if let Some(literal) = fields.optional_string("until").filter(|text| !text.contains("${"))
        && let Err(problem) = literal.parse::<Time>()
    {
        fields.problem("until", problem);
    }
    match (fields.optional("seconds").is_some(), fields.optional("until").is_some()) {
        (false, false) => fields.problem("seconds", "is required, unless there is `until`"),
        (true, true) => fields.problem("until", "cannot stand beside `seconds`; leave one of them out"),
        _ => {}
    }
    seconds.map(Wait::Seconds).or(until.map(Wait::Until))
}

fn decision(fields: &mut Fields<'_>) -> Option<Decision> {
    let expression = fields.parse("expression");
    let mut cases = BTreeMap::new();
    if let Some(given) = fields.required("cases").and_then(|_| fields.object("cases")) {
        if given.is_empty() {
            fields.problem("cases", "needs at least one case");
        }
        let path = fields.at("cases");
        for (value, target) in given {
            if let Some(mut case) = fields.inner(target, format!("{path}.{value}")) {
                if let Some(next) = case.parse("next") {
                    cases.insert(value.clone(), next);
                }
                case.finish();
            }
        }
    }
    let default_case = fields.optional_string("defaultCase").map(str::to_owned);
    if let Some(name) = default_case.as_ref().filter(|name| !cases.contains_key(*name)) {
        fields.problem("defaultCase", format!("must be one of the cases; there is no case `{name}`"));
    }
    Some(Decision { expression: expression?, cases, default_case })
}

fn approval(fields: &mut Fields<'_>, defaults: &Defaults) -> Option<Approval> {
    let action_label = fields.parse("actionLabel");
    let proposed_action = fields.template("proposedAction");
    let assign_to: Option<Text> = fields.parse_optional("assignTo");
    if let Some(literal) = fields.optional_string("assignTo").filter(|text| !text.contains("${"))
        && let Err(problem) = literal.parse::<Assignee>()
    {
        fields.problem("assignTo", problem);
    }
    let data = fields.optional_template("data");
    // A fraction of an hour is welcome: 0.5 is half an hour.
    let timeout_hours = fields.number("timeoutHours", 0.0..=f64::from(MAX_WAIT_HOURS));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 28,800,000")]
    let timeout_seconds = timeout_hours.map_or(DEFAULT_GATE_SECONDS, |hours| ((hours * 3600.0).ceil() as u64).max(1));
    let allowed_edits = fields.array("allowedEdits").map(|pointers| {
        let mut allowed = Vec::new();
        for (at, pointer) in pointers.iter().enumerate() {
            match pointer.as_str().filter(|text| is_pointer(text)) {
                Some(pointer) => allowed.push(pointer.to_owned()),
                None => fields.problem(&format!("allowedEdits[{at}]"), "must be a JSON Pointer such as `/amount` (RFC 6901)"),
            }
        }
        allowed
    });
    let gate = Approval {
        action_label: action_label?,
        proposed_action: proposed_action?,
        assign_to,
        data,
        timeout_seconds,
        on_timeout: fields.route("onTimeout").unwrap_or_else(|| defaults.on_timeout.clone()),
        on_reject: fields.route("onReject").unwrap_or_else(|| defaults.on_reject.clone()),
        override_schema: fields.schema("overrideSchema"),
        allowed_edits,
        require_different_actor: fields.boolean("requireDifferentActor").unwrap_or(false),
        required_approvals: fields.small_integer("requiredApprovals", 1..=20).unwrap_or(1),
    };
    Some(gate)
}

/// RFC 6901: empty, or segments that begin with `/`, in which `~` is written `~0` and `/` is written `~1`.
fn is_pointer(text: &str) -> bool {
    (text.is_empty() || text.starts_with('/')) && text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']))
}
