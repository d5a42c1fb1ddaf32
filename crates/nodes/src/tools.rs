//! The tools of an `llm_step`: registered services that the model may call.
//!
//! The n-th call of a step (its place in `toolCalls`, whether or not it was sent) goes out under the key
//! `<step id>-<n>-<hash of slug and arguments>`. A step that is tried again asks the
//! model again: if the model repeats itself, so do the keys, and a service that honours them does nothing twice. If the model says
//! something else the second time (a temperature above 0 invites it), the call is another one and must not be taken for the first;
//! the hash sees to that. What no key can do is take back calls of the first attempt that the second does not repeat, and one that
//! it repeats at another place counts as new. A tool with effects that cannot be repeated belongs behind a gate, in a `service_call`.

use std::collections::BTreeMap;

use domain::flow::{ServiceSlug, Tool};
use domain::json::canonical;
use domain::network::PrivateNetworks;
use domain::ports::{Connections, EffectError, Vault};
use domain::step::MAX_INLINE_BYTES;
use jsonschema::Validator;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::attempt::{Attempt, millis_since, short_hash};
use crate::chat::{Offer, Wish};
use crate::failure::{cut, hopeless};
use crate::http::{Call, Client};
use crate::received::Received;
use crate::schema::{validator, violations};
use crate::service::was_sent;
use crate::services::Services;

/// As much as a model is told of one result, and as much of it as is kept.
const MAX_RESULT_BYTES: usize = MAX_INLINE_BYTES;
/// A name that is no tool's is the model's own invention and may be long.
const QUOTED_NAME: usize = 64;

/// The tools that a model is offered, in the flow's order.
#[derive(Debug)]
pub(crate) struct Tools<'a>(Vec<Offered<'a>>);

#[derive(Debug)]
struct Offered<'a> {
    name: String,
    tool: &'a Tool,
    schema: Validator,
}

/// What became of one call.
#[derive(Debug)]
pub(crate) struct Made {
    /// For the model.
    pub(crate) told: String,
    /// For the step's `toolCalls`.
    pub(crate) record: Value,
}

/// The function name of a slug. Providers allow letters, digits, `_` and `-`; a slug has no `_`, so none is the name of two.
fn function_name(slug: &ServiceSlug) -> String {
    slug.as_str().replace(':', "_")
}

impl<'a> Tools<'a> {
    pub(crate) fn of(tools: &'a [Tool]) -> Result<Self, EffectError> {
        let mut offered: Vec<Offered<'a>> = Vec::with_capacity(tools.len());
        for tool in tools {
            let name = function_name(&tool.slug);
            // EgressDenial when the flow was saved.
            if let Some(other) = offered.iter().find(|other| other.name == name) {
                return Err(hopeless(format!("tools `{}` and `{}` have the same name for the model", other.tool.slug, tool.slug)));
            }
            offered.push(Offered { name, tool, schema: validator(&tool.input_schema, "inputSchema")? });
        }
        Ok(Self(offered))
    }

    pub(crate) fn offers(&self) -> Vec<Offer<'_>> {
        self.0.iter().map(Offered::offer).collect()
    }

    /// Makes the step's `number`-th call, once. Whatever the service says, or if it says nothing, the model is told. What fails
    /// the step is what the model could do nothing about: no such connection, a forbidden address, the time is up.
    pub(crate) async fn call<C: Connections + PrivateNetworks, V: Vault>(
        &self,
        client: &Client,
        services: &Services<C, V>,
        attempt: &Attempt<'_>,
        number: usize,
        wish: &Wish,
    ) -> Result<Made, EffectError> {
        let begun = Instant::now();
        let Some(offered) = self.0.iter().find(|offered| offered.name == wish.name) else {
            let names: Vec<_> = self.0.iter().map(|offered| format!("`{}`", offered.name)).collect();
            let name = cut(&wish.name, QUOTED_NAME);
            let why = format!("there is no tool `{name}`; the tools are {}", names.join(", "));
            return Ok(not_sent(&name, &as_said(&wish.arguments), why));
        };
        let slug = &offered.tool.slug;
        let arguments = match offered.check(&wish.arguments) {
            Ok(arguments) => arguments,
            Err(why) => return Ok(not_sent(slug.as_str(), &as_said(&wish.arguments), why)),
        };

        let service = services.service(attempt, slug).await?;
        let mut url = service.base.clone();
        url.set_fragment(None);
        let attempt = attempt.under(&format!("{number}-{}", short_hash(&json!([slug, arguments]))));
        let credential = service.credential.as_ref();
        let call = Call { method: "POST", url, headers: &BTreeMap::new(), credential, body: Some(&arguments) };
        let answer = client.send(&services.ports, &attempt, call).await;
        let millis = millis_since(begun);
        if was_sent(&answer) {
            services.used(&attempt.context.org, &service).await;
        }
        let (told, status, outcome) = match answer {
            Ok(received) => told_of(received),
            Err(error) if attempt.is_over() || (error.answer.is_none() && !error.retryable) => return Err(error),
            Err(error) => told_of_none(error),
        };
        let record = record(slug.as_str(), &arguments, status, outcome, millis);
        Ok(Made { told: bounded(told), record })
    }
}

impl Offered<'_> {
    fn offer(&self) -> Offer<'_> {
        Offer { name: &self.name, description: &self.tool.description, parameters: &self.tool.input_schema }
    }

    /// The arguments, if they are what the schema asks for; otherwise what is wrong with them.
    fn check(&self, text: &str) -> Result<Value, String> {
        if text.len() > MAX_RESULT_BYTES {
            return Err(format!("the arguments have {} bytes, more than the {MAX_RESULT_BYTES} that a tool takes", text.len()));
        }
        // What some servers send for a function without parameters.
        let text = if text.trim().is_empty() { "{}" } else { text };
        let arguments: Value = serde_json::from_str(text).map_err(|why| format!("the arguments are not JSON: {why}"))?;
        let violations = violations(&arguments, &self.schema);
        if violations.is_empty() {
            Ok(arguments)
        } else {
            Err(format!("the arguments do not satisfy the tool's schema: {}", violations.join("; ")))
        }
    }
}

/// Arguments that were not sent, for the record.
fn as_said(text: &str) -> Value {
    let parsed = if text.len() > MAX_RESULT_BYTES { None } else { serde_json::from_str(text).ok() };
    parsed.unwrap_or_else(|| Value::from(bounded(text.to_owned())))
}

fn not_sent(slug: &str, input: &Value, why: String) -> Made {
    let told = bounded(canonical(&json!({"error": why})));
    Made { told, record: record(slug, input, None, Err(why), 0) }
}

type Outcome = Result<Value, String>;

/// An answer came. Of a body that is too long, what the model is told is what is kept.
fn told_of(mut received: Received) -> (String, Option<u16>, Outcome) {
    let status = received.status;
    if received.is_success() {
        let body = received.body();
        let text = body.as_str().map_or_else(|| canonical(&body), str::to_owned);
        let output = if text.len() > MAX_RESULT_BYTES { Value::from(bounded(text.clone())) } else { body };
        return (text, Some(status), Ok(output));
    }
    received.body = received.target.clean(&String::from_utf8_lossy(&received.body)).into_bytes();
    let told = canonical(&json!({"error": "the call failed", "status": status, "body": received.body()}));
    let message = received.success().err().map_or_else(String::new, |error| error.message);
    (told, Some(status), Err(message))
}

/// No answer came, or none that could be read to its end. The message names hosts, which are no business of a model's.
fn told_of_none(error: EffectError) -> (String, Option<u16>, Outcome) {
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

/// The text, or as much of it as a model is told.
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
    fn every_slug_has_a_function_name_of_its_own_that_providers_take() {
        let slugs = ["aml", "custom:crm", "custom-crm", "customcrm", "custom::crm", "custom:crm:", ":", "-"];
        let longest = format!("custom:{}", "x".repeat(57));
        let tools: Vec<Tool> = slugs.into_iter().chain([longest.as_str()]).map(tool).collect();
        let offered = Tools::of(&tools).unwrap();
        let offers = offered.offers();
        assert_eq!(offers[1].name, "custom_crm");
        for offer in &offers {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            assert!(offer.name.len() <= 64 && offer.name.chars().all(fits), "{}", offer.name);
            assert_eq!(offers.iter().filter(|other| other.name == offer.name).count(), 1, "{}", offer.name);
        }
    }

    #[test]
    fn two_tools_of_one_name_are_refused() {
        let error = Tools::of(&[tool("custom:crm"), tool("custom:crm")]).unwrap_err();
        assert_eq!(error.message, "tools `custom:crm` and `custom:crm` have the same name for the model");
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_says_so() {
        assert_eq!(bounded("ü".repeat(MAX_RESULT_BYTES / 2)).len(), MAX_RESULT_BYTES);
        for text in ["ü".repeat(MAX_RESULT_BYTES), format!("a{}", "ü".repeat(MAX_RESULT_BYTES))] {
            let cut = bounded(text.clone());
            assert!(cut.len() <= MAX_RESULT_BYTES && cut.ends_with(&format!("(cut; it has {} bytes)", text.len())), "{}", cut.len());
        }
    }
}
