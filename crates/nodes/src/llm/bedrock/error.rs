//! Turns a failed call of Bedrock into the step's error.

use aws_sdk_bedrockruntime::config::http::HttpResponse;
use aws_sdk_bedrockruntime::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_bedrockruntime::operation::converse::ConverseError;
use domain::ports::{CallContext, EffectError};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::failure::{Target, deepest, is_retryable_status, transient};
use crate::http::response::ReceivedResponse;

/// Returns the step's error.
pub(super) fn effect_error(target: Target, error: &SdkError<ConverseError>, context: &CallContext) -> EffectError {
    let why = target.quote(&deepest(error).to_string());
    match error {
        SdkError::ServiceError(answered) => service_error(&received(target, answered.raw()), answered.err(), context),
        SdkError::ConstructionFailure(_) => target.not_sent(&format!("the request cannot be built: {why}")),
        // There was no connection, there were no credentials, or the response broke off.
        _ => transient(target.describe(&format!("could not be reached, or broke off: {why}"))),
    }
}

fn received(target: Target, response: &HttpResponse) -> ReceivedResponse {
    let header = |(name, value): (&str, &str)| Some((name.parse::<HeaderName>().ok()?, value.parse::<HeaderValue>().ok()?));
    let headers: HeaderMap = response.headers().iter().filter_map(header).collect();
    let body = response.body().bytes().unwrap_or_default().to_vec();
    ReceivedResponse::new(target, response.status().as_u16(), headers, body, None)
}

fn service_error(received: &ReceivedResponse, error: &ConverseError, context: &CallContext) -> EffectError {
    if received.is_success() {
        return received.unusable(&format!("not as Converse does: {}", received.quoted()));
    }
    let said = error.message().map_or_else(|| received.quoted(), |message| received.target.quote(message));
    let what = match error {
        // The message of AWS names the account and the role, so only the log gets it.
        ConverseError::AccessDeniedException(_) => {
            tracing::warn!(error = said, trace_id = context.trace_id, "Bedrock denies access to a model");
            "this deployment may not use the model; its operator must get access to it in this account and region, and allow \
             advance-run bedrock:InvokeModel on it"
                .to_owned()
        }
        ConverseError::ResourceNotFoundException(_) => {
            format!("{said}; the operator must check the model's id in LLM_MODELS, and the access to it in this account and region")
        }
        ConverseError::ValidationException(_) => {
            format!("{said}; check the node's prompts, temperature, maxTokens and tools, or the model's id in LLM_MODELS")
        }
        _ => error.code().map_or_else(|| said.clone(), |code| format!("{code}: {said}")),
    };
    let failure = received.failure(&what);
    EffectError { retryable: failure.retryable || model_may_recover(error), ..failure }
}

/// A model's own failure has the status 424; the error holds the status that the model gave.
fn model_may_recover(error: &ConverseError) -> bool {
    let ConverseError::ModelErrorException(model) = error else { return false };
    model.original_status_code.and_then(|status| status.try_into().ok()).is_some_and(is_retryable_status)
}
