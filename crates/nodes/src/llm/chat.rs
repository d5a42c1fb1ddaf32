//! A conversation with a model, independent of the provider.

use std::ops::AddAssign;

use domain::json::canonical;
use domain::ports::EffectError;
use domain::request::LlmRequest;
use serde::Serialize;
use serde_json::Value;

/// A message of the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) enum ChatMessage {
    /// The instructions of the flow.
    System(String),
    /// The prompt, or what is wrong with an answer.
    User(String),
    /// What the model answered, word for word.
    Model {
        /// The text, if there was one.
        text: Option<String>,
        /// The tools that the model asks for.
        calls: Vec<ToolCall>,
    },
    /// The result of a tool call.
    Tool {
        /// The id of the call.
        id: String,
        /// The result.
        content: String,
    },
}

/// A tool call that the model asks for, word for word: neither the name nor the arguments have been checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ToolCall {
    /// The provider's id of the call.
    pub(crate) id: String,
    /// The tool's name, as the provider knows it.
    pub(crate) name: String,
    /// The arguments, which should be JSON.
    pub(crate) arguments: String,
}

/// A tool as it is described to a provider.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ToolDefinition<'a> {
    /// Letters, digits, `_` and `-`, at most 64 characters.
    pub(crate) name: &'a str,
    /// What the tool is good for.
    pub(crate) description: &'a str,
    /// The JSON Schema of the arguments.
    pub(crate) parameters: &'a Value,
}

/// What a provider is asked.
#[derive(Debug)]
pub(crate) struct ChatRequest<'a> {
    /// The parameters of the step.
    pub(crate) step: &'a LlmRequest,
    /// The conversation so far.
    pub(crate) messages: &'a [ChatMessage],
    /// The tools that the model may call.
    pub(crate) tools: &'a [ToolDefinition<'a>],
}

/// The instruction that makes a model answer with JSON, for providers that take no schema.
pub(crate) fn schema_instruction(schema: &Value) -> String {
    let schema = canonical(schema);
    format!("Your final answer must be nothing but JSON that satisfies this JSON Schema: no Markdown, no other words.\n{schema}")
}

/// The error for a text that a content filter held back.
pub(crate) const FILTERED: &str = "the provider's content filter held the text back; change the prompt";

impl ChatRequest<'_> {
    /// The error for a text that a token limit cut off.
    pub(crate) fn truncation_error(&self) -> String {
        let limit = self.step.max_tokens.map_or_else(|| "the model's own token limit".to_owned(), |most| format!("maxTokens ({most})"));
        format!("the text is cut off at {limit}; raise maxTokens, or ask for a shorter answer")
    }
}

/// A usable answer of the model.
#[derive(Debug)]
pub(crate) struct Completion {
    /// The text, if there was one. It is not blank, and has no reasoning.
    pub(crate) text: Option<String>,
    /// The step's error if there is neither a text nor a tool call.
    pub(crate) no_text: EffectError,
    /// The tools that the model asks for, in its order.
    pub(crate) calls: Vec<ToolCall>,
    /// The model that answered, as the provider names it.
    pub(crate) model: String,
    pub(crate) tokens: TokenCounts,
}

/// What the answers of a conversation cost.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ModelUsage {
    pub(crate) tokens: TokenCounts,
    /// The milliseconds that the model took, without the tools.
    pub(crate) millis: u64,
}

/// The tokens of answers, as far as the provider reports them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct TokenCounts {
    pub(crate) prompt: Option<u64>,
    pub(crate) completion: Option<u64>,
    pub(crate) total: Option<u64>,
}

impl AddAssign for ModelUsage {
    fn add_assign(&mut self, more: Self) {
        self.tokens += more.tokens;
        self.millis = self.millis.saturating_add(more.millis);
    }
}

impl AddAssign for TokenCounts {
    /// Adds counts. A count that was not reported adds nothing.
    fn add_assign(&mut self, more: Self) {
        let sum = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
        self.prompt = sum(self.prompt, more.prompt);
        self.completion = sum(self.completion, more.completion);
        self.total = sum(self.total, more.total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_adds_up_and_a_count_that_is_never_reported_stays_empty() {
        let usage = |prompt, total, millis| ModelUsage { tokens: TokenCounts { prompt, completion: None, total }, millis };
        let mut sum = ModelUsage::default();
        sum += usage(Some(1), None, 20);
        assert_eq!(sum, usage(Some(1), None, 20));
        sum += usage(Some(2), Some(5), 30);
        sum += usage(None, Some(u64::MAX), u64::MAX);
        assert_eq!(sum, usage(Some(3), Some(u64::MAX), u64::MAX));
    }
}
