//! `llm_step`: asks a language model, lets it call its tools, and holds its answer against the schema.
//!
//! One attempt is one conversation under one clock, and nothing in it is repeated: a provider that fails fails the attempt, and
//! the engine begins the conversation anew. What that means for tools is in [`crate::tools`].

use domain::network::PrivateNetworks;
use domain::ports::{Connections, Effect, EffectError, Vault};
use domain::request::LlmRequest;
use domain::step::ResponseHead;
use jsonschema::Validator;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::attempt::{Attempt, millis_since, short_hash};
use crate::chat::{Completion, Cost, Question, Turn, Wish};
use crate::failure::hopeless;
use crate::http::Client;
use crate::models::{Model, Models};
use crate::schema::{Violation, parse, validator};
use crate::services::Services;
use crate::tools::Tools;

/// Answers with tool calls that are followed; one more fails the step.
const MAX_ROUNDS: usize = 8;
/// So many results of 100 KB fit into an output, and a conversation, of 25 MB.
const MAX_CALLS: usize = 100;
/// A failed step names its last calls, as many as fit into a sentence.
const NAMED_CALLS: usize = 10;

/// Output: the text, what it parses to, what was called for it, and what it cost.
pub(crate) async fn ask<C: Connections + PrivateNetworks, V: Vault>(
    client: &Client,
    services: &Services<C, V>,
    models: &Models,
    attempt: &Attempt<'_>,
    request: &LlmRequest,
) -> Result<Effect, EffectError> {
    let model = models.get(&request.model)?;
    let schema = request.output_schema.as_ref().map(|schema| validator(schema, "outputSchema")).transpose()?;
    let tools = Tools::of(&request.tools)?;
    let system = request.system_prompt.iter().map(|prompt| Turn::System(prompt.clone()));
    let turns = system.chain([Turn::User(request.user_prompt.clone())]).collect();
    let mut talk = Talk { client, services, attempt, request, model, schema, tools, turns, calls: Vec::new() };
    talk.converse().await.map_err(|error| talk.with_calls(error))
}

/// A conversation as far as it has come.
struct Talk<'a, C, V> {
    client: &'a Client,
    services: &'a Services<C, V>,
    attempt: &'a Attempt<'a>,
    request: &'a LlmRequest,
    model: &'a Model,
    schema: Option<Validator>,
    tools: Tools<'a>,
    turns: Vec<Turn>,
    /// The step's `toolCalls`.
    calls: Vec<Value>,
}

impl<C: Connections + PrivateNetworks, V: Vault> Talk<'_, C, V> {
    /// Goes on until the model gives an answer that the flow can use.
    async fn converse(&mut self) -> Result<Effect, EffectError> {
        let mut cost = Cost::default();
        let (mut rounds, mut repaired) = (0, false);
        loop {
            let begun = Instant::now();
            let Completion { text, calls, model, tokens } = self.complete().await.map_err(without_headers)?;
            cost += Cost { tokens, millis: millis_since(begun) };
            if !calls.is_empty() {
                rounds += 1;
                if rounds > MAX_ROUNDS {
                    return Err(hopeless(format!(
                        "the model asks for tools again after {MAX_ROUNDS} rounds of them, the most a step may have; \
                         say in the prompt when it has what it needs, or split the step"
                    )));
                }
                self.turns.push(Turn::Model { text, calls: calls.clone() });
                self.follow(calls).await?;
                continue;
            }
            let text = text.unwrap_or_default();
            let parsed = match self.schema.as_ref().map_or(Ok(Value::Null), |schema| parse(&text, schema)) {
                Ok(parsed) => parsed,
                Err(violation) if repaired => return Err(hopeless(violation.to_string())),
                Err(violation) => {
                    repaired = true;
                    self.turns.extend([Turn::Model { text: Some(text), calls }, again(&violation)]);
                    continue;
                }
            };
            let output = json!({
                "text": text,
                "parsed": parsed,
                "model": model,
                "inferenceMs": cost.millis,
                "tokens": cost.tokens,
                "toolCalls": std::mem::take(&mut self.calls),
            });
            return Ok(Effect { output, answer: None });
        }
    }

    async fn complete(&self) -> Result<Completion, EffectError> {
        let offers = self.tools.offers();
        let question = Question { request: self.request, turns: &self.turns, offers: &offers };
        self.model.complete(self.client, &self.under_its_key(), &question).await
    }

    /// The step's own key is that of the first question; each later one has a key made from what has been said, so that no
    /// provider takes it for a repetition of the first, and the same one again is recognised.
    fn under_its_key(&self) -> Attempt<'_> {
        let answered = self.turns.iter().filter(|turn| matches!(turn, Turn::Model { .. })).count();
        if answered == 0 {
            return self.attempt.clone();
        }
        self.attempt.under(&format!("ask{}-{}", answered + 1, short_hash(&json!(self.turns))))
    }

    /// Makes the calls of one answer, in its order.
    async fn follow(&mut self, wishes: Vec<Wish>) -> Result<(), EffectError> {
        for wish in wishes {
            let number = self.calls.len() + 1;
            if number > MAX_CALLS {
                return Err(hopeless(format!("the model asks for more than {MAX_CALLS} tool calls, the most a step may have")));
            }
            let made = self.tools.call(self.client, self.services, self.attempt, number, &wish).await?;
            self.calls.push(made.record);
            self.turns.push(Turn::Tool { id: wish.id, content: made.told });
        }
        Ok(())
    }

    /// A failed step has no output: its message says what had been called by then.
    fn with_calls(&self, error: EffectError) -> EffectError {
        let count = self.calls.len();
        if count == 0 {
            return error;
        }
        let named = self.calls.iter().skip(count.saturating_sub(NAMED_CALLS)).map(|call| {
            let slug = call.get("slug").and_then(Value::as_str).unwrap_or_default();
            let status = call.get("status").and_then(Value::as_u64).map_or_else(|| "no status".to_owned(), |status| status.to_string());
            format!("`{slug}` ({status})")
        });
        let named: Vec<_> = named.collect();
        let last = if count > NAMED_CALLS { ", the last ones" } else { "" };
        EffectError { message: format!("{}; tools called before that: {count}{last}: {}", error.message, named.join(", ")), ..error }
    }
}

/// The provider is the operator's affair, not the flow's: its headers name accounts and quotas.
fn without_headers(error: EffectError) -> EffectError {
    let answer = error.answer.map(|answer| ResponseHead { status: answer.status, headers: json!({}) });
    EffectError { answer, ..error }
}

fn again(violation: &Violation) -> Turn {
    Turn::User(format!("That answer cannot be used: {violation}. ResponseHead again, with nothing but JSON that satisfies the schema."))
}
