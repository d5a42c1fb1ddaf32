//! The tools of an `llm_step`: registered services that the model may call.
//!
//! The n-th call of a step (its place in `toolCalls`, whether or not it was sent) is sent under the key
//! `<step id>-<n>-<hash of slug and arguments>`. A step that is tried again asks the model again: if the model repeats itself, the
//! keys are the same, and a service that honours them does nothing twice. If the model answers differently the second time (a
//! temperature above 0 makes that likely), the call is another one and must not be taken for the first; the hash makes its key
//! another one. No key can undo calls of the first attempt that the second does not repeat, and a call that is repeated at another
//! place counts as new. A tool whose effects cannot be repeated belongs behind a gate, in a `service_call`.

use std::collections::BTreeMap;

use domain::flow::{ServiceSlug, Tool};
use domain::json::canonical;
use domain::network::PrivateNetworks;
use domain::ports::{Connections, EffectError, Vault};
use domain::schema::Schema;
use domain::step::MAX_INLINE_BYTES;
use exact_json::ReadError;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::attempt::{Attempt, millis_since, short_hash};
use crate::failure::{cut, permanent};
use crate::http::client::{Client, StepRequest};
use crate::http::response::ReceivedResponse;
use crate::llm::chat::{ToolCall, ToolDefinition};
use crate::llm::schema::{validator, violations};
use crate::node::service_call::may_have_been_sent;
use crate::services::Services;

/// The most bytes of one result that a model gets, and that the step keeps.
const MAX_RESULT_BYTES: usize = MAX_INLINE_BYTES;
/// The most characters of an unknown tool's name that a message quotes: the model invented it, and it may be long.
const QUOTED_NAME: usize = 64;

/// The tools that a model may call, in the flow's order.
#[derive(Debug)]
pub(crate) struct Tools<'a>(Vec<AvailableTool<'a>>);

#[derive(Debug)]
struct AvailableTool<'a> {
    name: String,
    tool: &'a Tool,
    schema: Schema,
}

/// The result of one tool call.
#[derive(Debug)]
pub(crate) struct ToolResult {
    /// What the model gets.
    pub(crate) content: String,
    /// The entry in the step's `toolCalls`.
    pub(crate) record: Value,
}

/// The function name of a slug. Providers allow letters, digits, `_` and `-`. A slug has no `_`, so two slugs never have one name.
fn function_name(slug: &ServiceSlug) -> String {
    slug.as_str().replace(':', "_")
}

impl<'a> Tools<'a> {
    /// Compiles the schemas of the tools. Fails if two tools have one name, or a schema is not valid.
    pub(crate) fn of(tools: &'a [Tool]) -> Result<Self, EffectError> {
        let mut available: Vec<AvailableTool<'a>> = Vec::with_capacity(tools.len());
        for tool in tools {
            let name = function_name(&tool.slug);
            // Refused when the flow was saved.
            if let Some(other) = available.iter().find(|other| other.name == name) {
                return Err(permanent(format!("tools `{}` and `{}` have the same name for the model", other.tool.slug, tool.slug)));
            }
            available.push(AvailableTool { name, tool, schema: validator(&tool.input_schema, "inputSchema")? });
        }
        Ok(Self(available))
    }

    /// The tools as they are described to a provider.
    pub(crate) fn definitions(&self) -> Vec<ToolDefinition<'_>> {
        self.0.iter().map(AvailableTool::definition).collect()
    }

    /// Makes the step's `number`-th call, once. The model gets every answer of the service, and the fact that there was none. The
    /// step fails only if the model could do nothing about the reason: no such connection, a forbidden address, the deadline.
    pub(crate) async fn call<C: Connections + PrivateNetworks, V: Vault>(
        &self,
        client: &Client,
        services: &Services<C, V>,
        attempt: &Attempt<'_>,
        number: usize,
        call: &ToolCall,
    ) -> Result<ToolResult, EffectError> {
        let begun = Instant::now();
        let Some(tool) = self.0.iter().find(|tool| tool.name == call.name) else {
            let names: Vec<_> = self.0.iter().map(|tool| format!("`{}`", tool.name)).collect();
            let name = cut(&call.name, QUOTED_NAME);
            let why = format!("there is no tool `{name}`; the tools are {}", names.join(", "));
            return Ok(rejected_call(&name, &as_written(&call.arguments), why));
        };
        let slug = &tool.tool.slug;
        let arguments = match tool.check(&call.arguments) {
            Ok(arguments) => arguments,
            Err(why) => return Ok(rejected_call(slug.as_str(), &as_written(&call.arguments), why)),
        };

        let service = services.service(attempt, slug).await?;
        let mut url = service.base.clone();
        url.set_fragment(None);
        let attempt = attempt.with_key_suffix(&format!("{number}-{}", short_hash(&json!([slug, arguments]))));
        let credential = service.credential.as_ref();
        let call = StepRequest { method: "POST", url, headers: &BTreeMap::new(), credential, body: Some(&arguments) };
        let answer = client.send(&services.ports, &attempt, call).await;
        let millis = millis_since(begun);
        if may_have_been_sent(&answer) {
            services.record_use(&attempt.context.org, &service).await;
        }
        let (content, status, outcome) = match answer {
            Ok(received) => result_of_response(received),
            Err(error) if attempt.is_over() || (error.answer.is_none() && !error.retryable) => return Err(error),
            Err(error) => result_of_failure(error),
        };
        let record = record(slug.as_str(), &arguments, status, outcome, millis);
        Ok(ToolResult { content: bounded(content), record })
    }
}

impl AvailableTool<'_> {
    fn definition(&self) -> ToolDefinition<'_> {
        ToolDefinition { name: &self.name, description: &self.tool.description, parameters: &self.tool.input_schema }
    }

    /// Parses the arguments and validates them against the schema. Fails with what is wrong with them.
    fn check(&self, text: &str) -> Result<Value, String> {
        if text.len() > MAX_RESULT_BYTES {
            return Err(format!("the arguments have {} bytes, more than the {MAX_RESULT_BYTES} that a tool takes", text.len()));
        }
        // Some servers send an empty text for a function without parameters.
        let text = if text.trim().is_empty() { "{}" } else { text };
        let arguments = exact_json::read(text.as_bytes()).map_err(|why| match why {
            ReadError::Syntax(why) => format!("the arguments are not JSON: {why}"),
            why @ (ReadError::Number(_) | ReadError::TooDeep) => format!("the JSON of the arguments {why}"),
        })?;
        let violations = violations(&arguments, &self.schema);
        if violations.is_empty() {
            Ok(arguments)
        } else {
            Err(format!("the arguments do not satisfy the tool's schema: {}", violations.join("; ")))
        }
    }
}

/// Arguments that were not sent, as the record keeps them.
fn as_written(text: &str) -> Value {
    let parsed = if text.len() > MAX_RESULT_BYTES { None } else { exact_json::read(text.as_bytes()).ok() };
    parsed.unwrap_or_else(|| Value::from(bounded(text.to_owned())))
}

fn rejected_call(slug: &str, input: &Value, why: String) -> ToolResult {
    let content = bounded(canonical(&json!({"error": why})));
    ToolResult { content, record: record(slug, input, None, Err(why), 0) }
}

type Outcome = Result<Value, String>;

/// What the model gets of a response, its status, and what the record keeps. A body that is too long is kept as the model gets it.
fn result_of_response(received: ReceivedResponse) -> (String, Option<u16>, Outcome) {
    let status = received.status;
    if received.is_success() {
        return match received.read_body() {
            Ok(body) => {
                let text = body.as_str().map_or_else(|| canonical(&body), str::to_owned);
                let output = if text.len() > MAX_RESULT_BYTES { Value::from(bounded(text.clone())) } else { body };
                (text, Some(status), Ok(output))
            }
            Err(why) => {
                let content = canonical(&json!({"error": format!("the answer cannot be used: {why}"), "status": status}));
                (content, Some(status), Err(received.unusable(&why).message))
            }
        };
    }
    let body = match received.text() {
        Ok("") => Value::Null,
        Ok(text) => {
            let text = received.target.clean(text);
            exact_json::read(text.as_bytes()).unwrap_or(Value::String(text))
        }
        Err(why) => Value::from(why),
    };
    let content = canonical(&json!({"error": "the call failed", "status": status, "body": body}));
    let message = received.success().err().map_or_else(String::new, |error| error.message);
    (content, Some(status), Err(message))
}

/// The same if there was no response, or one that could not be read to its end. The error names hosts, which a model does not get.
fn result_of_failure(error: EffectError) -> (String, Option<u16>, Outcome) {
    let status = error.answer.map(|answer| answer.status);
    let what = if status.is_some() { "the answer broke off, or is too large" } else { "the service could not be reached, or broke off" };
    (canonical(&json!({"error": what, "status": status})), status, Err(error.message))
}

fn record(slug: &str, input: &Value, status: Option<u16>, outcome: Outcome, millis: u64) -> Value {
    let (field, value) = match outcome {
        Ok(output) => ("output", output),
        Err(error) => ("error", Value::from(bounded(error))),
    };
    json!({"slug": slug, "input": input, "status": status, (field): value, "durationMs": millis})
}

/// The text, cut to what a model gets.
fn bounded(mut text: String) -> String {
    let bytes = text.len();
    if bytes > MAX_RESULT_BYTES {
        let note = format!("… (cut; it has {bytes} bytes)");
        text.truncate(text.floor_char_boundary(MAX_RESULT_BYTES - note.len()));
        text.push_str(&note);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(slug: &str) -> Tool {
        Tool { slug: slug.parse().unwrap(), description: "d".to_owned(), input_schema: json!({"type": "object"}) }
    }

    #[test]
    fn every_slug_has_a_function_name_of_its_own_that_providers_accept() {
        let slugs = ["aml", "custom:crm", "custom-crm", "customcrm", "custom::crm", "custom:crm:", ":", "-"];
        let longest = format!("custom:{}", "x".repeat(57));
        let tools: Vec<Tool> = slugs.into_iter().chain([longest.as_str()]).map(tool).collect();
        let tools = Tools::of(&tools).unwrap();
        let definitions = tools.definitions();
        assert_eq!(definitions[1].name, "custom_crm");
        for tool in &definitions {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            assert!(tool.name.len() <= 64 && tool.name.chars().all(fits), "{}", tool.name);
            assert_eq!(definitions.iter().filter(|other| other.name == tool.name).count(), 1, "{}", tool.name);
        }
    }

    #[test]
    fn two_tools_with_one_name_are_refused() {
        let error = Tools::of(&[tool("custom:crm"), tool("custom:crm")]).unwrap_err();
        assert_eq!(error.message, "tools `custom:crm` and `custom:crm` have the same name for the model");
    }

    #[test]
    fn a_long_text_is_cut_between_characters_with_a_note() {
        assert_eq!(bounded("ü".repeat(MAX_RESULT_BYTES / 2)).len(), MAX_RESULT_BYTES);
        for text in ["ü".repeat(MAX_RESULT_BYTES), format!("a{}", "ü".repeat(MAX_RESULT_BYTES))] {
            let cut = bounded(text.clone());
            assert!(cut.len() <= MAX_RESULT_BYTES && cut.ends_with(&format!("(cut; it has {} bytes)", text.len())), "{}", cut.len());
        }
    }
}
