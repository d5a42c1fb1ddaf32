//! `llm_step`: asks a language model, runs the tools that it asks for, and validates its answer against the schema.
//!
//! One attempt is one conversation with one deadline, and no request in it is repeated: if the provider fails, the attempt fails,
//! and the engine starts the conversation again. What that means for tools is described in [`crate::llm::tools`].

use domain::network::PrivateNetworks;
use domain::ports::{Connections, Effect, EffectError, Vault};
use domain::request::{LlmRequest, Turn};
use domain::schema::Schema;
use domain::step::ResponseHead;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::attempt::{Attempt, millis_since, short_hash};
use crate::failure::permanent;
use crate::http::client::Client;
use crate::llm::chat::{ChatMessage, ChatRequest, Completion, ModelUsage, ToolCall};
use crate::llm::models::{Model, Models};
use crate::llm::schema::{AnswerError, parse, validator};
use crate::llm::tools::Tools;
use crate::services::Services;

/// The number of answers with tool calls that are followed; one more fails the step.
const MAX_ROUNDS: usize = 8;
/// The number of tool calls that a step may make: as many results of 100 KB fit into a conversation, and an output, of 25 MB.
const MAX_CALLS: usize = 100;
/// The number of tool calls that the error of a failed step names: its last ones, as many as fit into a sentence.
const NAMED_CALLS: usize = 10;

/// Runs the conversation. The output is the text, the value that it parses to, the tool calls, and what the model used.
pub(crate) async fn perform<C: Connections + PrivateNetworks, V: Vault>(
    client: &Client,
    services: &Services<C, V>,
    models: &Models,
    attempt: &Attempt<'_>,
    step: &LlmRequest,
) -> Result<Effect, EffectError> {
    let model = models.get(&step.model)?;
    let schema = step.output_schema.as_ref().map(|schema| validator(schema, "outputSchema")).transpose()?;
    let tools = Tools::of(&step.tools)?;
    let system = step.system_prompt.iter().map(|prompt| ChatMessage::System(prompt.clone()));
    let earlier = step.conversation.iter().map(message);
    let messages = system.chain([ChatMessage::User(step.user_prompt.clone())]).chain(earlier).collect();
    let mut conversation = Conversation { client, services, attempt, step, model, schema, tools, messages, calls: Vec::new() };
    conversation.run().await.map_err(|error| conversation.with_calls(error))
}

/// A conversation as far as it has come.
struct Conversation<'a, C, V> {
    client: &'a Client,
    services: &'a Services<C, V>,
    attempt: &'a Attempt<'a>,
    step: &'a LlmRequest,
    model: &'a Model,
    schema: Option<Schema>,
    tools: Tools<'a>,
    messages: Vec<ChatMessage>,
    /// The step's `toolCalls`.
    calls: Vec<Value>,
}

impl<C: Connections + PrivateNetworks, V: Vault> Conversation<'_, C, V> {
    /// Continues until the model gives an answer that the flow can use.
    async fn run(&mut self) -> Result<Effect, EffectError> {
        let mut usage = ModelUsage::default();
        let (mut rounds, mut repaired, mut repeated) = (0, false, false);
        loop {
            let begun = Instant::now();
            let Completion { text, no_text, calls, model, tokens } = self.complete(repeated).await.map_err(without_headers)?;
            usage += ModelUsage { tokens, millis: millis_since(begun) };
            if !calls.is_empty() {
                rounds += 1;
                if rounds > MAX_ROUNDS {
                    return Err(permanent(format!(
                        "the model asks for tools again after {MAX_ROUNDS} rounds of them, the most a step may have; \
                         say in the prompt when it has what it needs, or split the step"
                    )));
                }
                self.messages.push(ChatMessage::Model { text, calls: calls.clone() });
                self.run_tool_calls(calls).await?;
                continue;
            }
            if text.is_none() && self.schema.is_none() {
                // Models sometimes answer nothing, and something the next time. With a schema, the answer is sent back below.
                if repeated {
                    return Err(without_headers(no_text));
                }
                repeated = true;
                continue;
            }
            let text = text.unwrap_or_default();
            let parsed = match self.schema.as_ref().map_or(Ok(Value::Null), |schema| parse(&text, schema)) {
                Ok(parsed) => parsed,
                Err(error) if repaired => return Err(permanent(error.to_string())),
                Err(error) => {
                    repaired = true;
                    self.messages.extend([ChatMessage::Model { text: Some(text), calls }, repair_message(&error)]);
                    continue;
                }
            };
            let output = json!({
                "text": text,
                "parsed": parsed,
                "model": model,
                "inferenceMs": usage.millis,
                "tokens": usage.tokens,
                "toolCalls": std::mem::take(&mut self.calls),
            });
            return Ok(Effect { output, answer: None });
        }
    }

    /// Asks the model. A request that is `repeated` has another key, so that no provider returns the same answer again.
    async fn complete(&self, repeated: bool) -> Result<Completion, EffectError> {
        let tools = self.tools.definitions();
        let request = ChatRequest { step: self.step, messages: &self.messages, tools: &tools };
        let attempt = self.attempt_with_key();
        let attempt = if repeated { attempt.with_variant("again") } else { attempt };
        self.model.complete(self.client, &attempt, &request).await
    }

    /// The first request is sent under the step's own key. Each later one has a key made from the conversation so far, so that no
    /// provider takes it for a repetition of the first, and a repetition of the same request is recognised.
    fn attempt_with_key(&self) -> Attempt<'_> {
        let answers = self.messages.iter().filter(|message| matches!(message, ChatMessage::Model { .. })).count();
        // The drafts of earlier rounds are part of the request, and so of the step's key.
        let drafts = self.step.conversation.iter().filter(|turn| matches!(turn, Turn::Assistant(_))).count();
        let answered = answers.saturating_sub(drafts);
        if answered == 0 {
            return self.attempt.clone();
        }
        self.attempt.with_key_suffix(&format!("ask{}-{}", answered + 1, short_hash(&json!(self.messages))))
    }

    /// Makes the tool calls of one answer, in its order.
    async fn run_tool_calls(&mut self, calls: Vec<ToolCall>) -> Result<(), EffectError> {
        for call in calls {
            let number = self.calls.len() + 1;
            if number > MAX_CALLS {
                return Err(permanent(format!("the model asks for more than {MAX_CALLS} tool calls, the most a step may have")));
            }
            let result = self.tools.call(self.client, self.services, self.attempt, number, &call).await?;
            self.calls.push(result.record);
            self.messages.push(ChatMessage::Tool { id: call.id, content: result.content });
        }
        Ok(())
    }

    /// Adds the tool calls to an error: a failed step has no output that could list them.
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

/// Removes the provider's headers from an error: they name accounts and quotas of the operator, which are not the flow's concern.
fn without_headers(error: EffectError) -> EffectError {
    let answer = error.answer.map(|answer| ResponseHead { status: answer.status, headers: json!({}) });
    EffectError { answer, ..error }
}

/// Returns a message of an earlier round.
fn message(turn: &Turn) -> ChatMessage {
    match turn {
        Turn::Assistant(text) => ChatMessage::Model { text: Some(text.clone()), calls: Vec::new() },
        Turn::User(text) => ChatMessage::User(text.clone()),
    }
}

/// Asks the model to correct its answer.
fn repair_message(error: &AnswerError) -> ChatMessage {
    ChatMessage::User(format!("That answer cannot be used: {error}. Answer again, with nothing but JSON that satisfies the schema."))
}
