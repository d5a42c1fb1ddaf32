//! What a model of Bedrock answered.

use aws_sdk_bedrockruntime::operation::converse::ConverseOutput;
use aws_sdk_bedrockruntime::types::{ContentBlock, ConverseOutput as Output, StopReason, TokenUsage};
use aws_smithy_types::{Document, Number};
use domain::ports::EffectError;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::chat::{Completion, FILTERED, Question, Tokens, Wish};
use crate::failure::{Target, cut};
use crate::received::Received;

/// The answer, if the step can use it.
pub(crate) fn read(target: Target, model: &str, answer: ConverseOutput, question: &Question<'_>) -> Result<Completion, EffectError> {
    let received = Received { target, status: 200, headers: HeaderMap::new(), body: Vec::new() };
    let unusable = |why: &str| received.unusable(why);
    match &answer.stop_reason {
        StopReason::MaxTokens => return Err(unusable(&question.cut_off())),
        StopReason::ContentFiltered => return Err(unusable(FILTERED)),
        StopReason::GuardrailIntervened => {
            return Err(unusable(
                "a guardrail of this deployment held the text back; change the prompt, or have its operator change the guardrail",
            ));
        }
        StopReason::ModelContextWindowExceeded => {
            return Err(unusable("the conversation is longer than the model can take; shorten the prompts, or what the tools answer"));
        }
        malformed @ (StopReason::MalformedModelOutput | StopReason::MalformedToolUse) => {
            return Err(unusable(&format!(
                "the model's answer is malformed ({malformed}); change the prompt or the tools, or use another model"
            )));
        }
        // The end of the answer, tools that it asks for, and what later models may call that.
        _ => {}
    }
    let Some(Output::Message(message)) = answer.output else {
        return Err(unusable("not with a message, as Converse does"));
    };
    let (mut text, mut calls) = (None::<String>, Vec::new());
    for block in message.content {
        match block {
            ContentBlock::Text(more) => text.get_or_insert_default().push_str(&more),
            // Who was offered no tool cannot call one, whatever it says.
            ContentBlock::ToolUse(call) if !question.offers.is_empty() => {
                calls.push(Wish { id: call.tool_use_id, name: call.name, arguments: json(call.input).to_string() });
            }
            // Thoughts are not the answer.
            _ => {}
        }
    }
    if calls.is_empty() && text.is_none() {
        return Err(unusable(&format!("without any text (stopReason: {})", cut(answer.stop_reason.as_str(), 40))));
    }
    Ok(Completion { text, calls, model: model.to_owned(), tokens: answer.usage.as_ref().map_or_else(Tokens::default, tokens) })
}

fn tokens(usage: &TokenUsage) -> Tokens {
    // No answer is free: to the SDK, what was not said is 0.
    let said = |count: i32| u64::try_from(count).ok().filter(|_| usage.total_tokens > 0);
    Tokens { prompt: said(usage.input_tokens), completion: said(usage.output_tokens), total: said(usage.total_tokens) }
}

fn json(document: Document) -> Value {
    match document {
        Document::Object(fields) => fields.into_iter().map(|(name, value)| (name, json(value))).collect(),
        Document::Array(items) => items.into_iter().map(json).collect(),
        Document::Number(Number::PosInt(number)) => number.into(),
        Document::Number(Number::NegInt(number)) => number.into(),
        Document::Number(Number::Float(number)) => number.into(),
        Document::String(text) => text.into(),
        Document::Bool(flag) => flag.into(),
        Document::Null => Value::Null,
    }
}
