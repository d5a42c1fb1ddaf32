//! Reads a response of Converse.

use aws_sdk_bedrockruntime::operation::converse::ConverseOutput;
use aws_sdk_bedrockruntime::types::{ContentBlock, ConverseOutput as Output, StopReason, TokenUsage};
use aws_smithy_types::{Document, Number};
use domain::ports::EffectError;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::failure::{Target, cut};
use crate::http::response::ReceivedResponse;
use crate::llm::chat::{ChatRequest, Completion, FILTERED, TokenCounts, ToolCall};

/// Reads the answer to `request`. Fails if it is not one that a step can use.
pub(crate) fn read(target: Target, model: &str, answer: ConverseOutput, request: &ChatRequest<'_>) -> Result<Completion, EffectError> {
    let received = ReceivedResponse::new(target, 200, HeaderMap::new(), Vec::new(), None);
    let unusable = |why: &str| received.unusable(why);
    let Some(Output::Message(message)) = answer.output else {
        return Err(unusable("not with a message, as Converse does"));
    };
    match &answer.stop_reason {
        StopReason::MaxTokens => return Err(unusable(&request.truncation_error())),
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
        StopReason::EndTurn | StopReason::StopSequence | StopReason::ToolUse => {}
        other => {
            return Err(unusable(&format!(
                "it stopped for the reason `{}`, which is not known to be the end of an answer",
                cut(other.as_str(), 40)
            )));
        }
    }
    let (mut text, mut calls) = (None::<String>, Vec::new());
    for block in message.content {
        match block {
            ContentBlock::Text(more) => text.get_or_insert_default().push_str(&more),
            // A model without tools cannot call one, whatever it says.
            ContentBlock::ToolUse(call) if !request.tools.is_empty() => {
                calls.push(ToolCall { id: call.tool_use_id, name: call.name, arguments: json(call.input).to_string() });
            }
            // Reasoning is not the answer.
            _ => {}
        }
    }
    let text = text.filter(|text| !text.trim().is_empty());
    let no_text = unusable(&format!("without any text (stopReason: {})", cut(answer.stop_reason.as_str(), 40)));
    if calls.is_empty() && answer.stop_reason == StopReason::ToolUse {
        return Err(no_text);
    }
    Ok(Completion {
        text,
        no_text,
        calls,
        model: model.to_owned(),
        tokens: answer.usage.as_ref().map_or_else(TokenCounts::default, tokens),
    })
}

fn tokens(usage: &TokenUsage) -> TokenCounts {
    // The SDK reports a count that is missing as 0, and an answer without any token does not exist.
    let said = |count: i32| u64::try_from(count).ok().filter(|_| usage.total_tokens > 0);
    TokenCounts { prompt: said(usage.input_tokens), completion: said(usage.output_tokens), total: said(usage.total_tokens) }
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
