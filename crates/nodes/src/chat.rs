//! A conversation with a model, in no provider's words.

use std::ops::AddAssign;

use domain::request::LlmRequest;
use serde::Serialize;
use serde_json::Value;

/// A turn of the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) enum Turn {
    /// The instructions.
    System(String),
    /// The question, or what is wrong with an answer.
    User(String),
    /// What the model said, word for word.
    Model {
        /// The text, if there was one.
        text: Option<String>,
        /// The tools it asked for.
        calls: Vec<Wish>,
    },
    /// What became of a wish.
    Tool {
        /// Which one.
        id: String,
        /// The result.
        content: String,
    },
}

/// A tool that the model asks for, word for word: neither name nor arguments have been checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Wish {
    /// The provider's name for it.
    pub(crate) id: String,
    /// The tool's name, as the provider knows it.
    pub(crate) name: String,
    /// Should be JSON.
    pub(crate) arguments: String,
}

/// A tool as a provider is told of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer<'a> {
    /// Letters, digits, `_` and `-`, at most 64.
    pub(crate) name: &'a str,
    /// What it is good for.
    pub(crate) description: &'a str,
    /// JSON Schema of the arguments.
    pub(crate) parameters: &'a Value,
}

/// What a provider is asked.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    /// The parameters.
    pub(crate) request: &'a LlmRequest,
    /// The conversation so far.
    pub(crate) turns: &'a [Turn],
    /// What the model may call.
    pub(crate) offers: &'a [Offer<'a>],
}

/// Why a text that a content filter held back is of no use.
pub(crate) const FILTERED: &str = "the provider's content filter held the text back; change the prompt";

impl Question<'_> {
    /// Why a text that a token limit cut off is of no use.
    pub(crate) fn cut_off(&self) -> String {
        let limit = self.request.max_tokens.map_or_else(|| "the model's own token limit".to_owned(), |most| format!("maxTokens ({most})"));
        format!("the text is cut off at {limit}; raise maxTokens, or ask for a shorter answer")
    }
}

/// A usable answer of the model.
#[derive(Debug)]
pub(crate) struct Completion {
    /// Always there if it wishes for nothing.
    pub(crate) text: Option<String>,
    pub(crate) calls: Vec<Wish>,
    /// The model that answered, by the provider's word.
    pub(crate) model: String,
    pub(crate) tokens: Tokens,
}

/// What answers cost.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) tokens: Tokens,
    /// How long the model took for them, tools not counted.
    pub(crate) millis: u64,
}

/// The tokens of answers, as far as the provider says.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Tokens {
    pub(crate) prompt: Option<u64>,
    pub(crate) completion: Option<u64>,
    pub(crate) total: Option<u64>,
}

impl AddAssign for Cost {
    fn add_assign(&mut self, more: Self) {
        self.tokens += more.tokens;
        self.millis = self.millis.saturating_add(more.millis);
    }
}

impl AddAssign for Tokens {
    /// What was not said counts as nothing beside what was.
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
    fn costs_add_up_and_what_is_not_said_stays_unsaid() {
        let cost = |prompt, total, millis| Cost { tokens: Tokens { prompt, completion: None, total }, millis };
        let mut sum = Cost::default();
        sum += cost(Some(1), None, 20);
        assert_eq!(sum, cost(Some(1), None, 20));
        sum += cost(Some(2), Some(5), 30);
        sum += cost(None, Some(u64::MAX), u64::MAX);
        assert_eq!(sum, cost(Some(3), Some(u64::MAX), u64::MAX));
    }
}
