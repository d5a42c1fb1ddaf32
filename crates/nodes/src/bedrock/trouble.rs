//! How a call of Bedrock that went wrong is told to the step.

use aws_sdk_bedrockruntime::config::http::HttpResponse;
use aws_sdk_bedrockruntime::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_bedrockruntime::operation::converse::ConverseError;
use domain::ports::{CallContext, EffectError};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::failure::{Target, deepest, passing, worth_retrying};
use crate::received::Received;

/// The step's failure.
pub(crate) fn tell(target: Target, error: &SdkError<ConverseError>, context: &CallContext) -> EffectError {
    let why = target.quote(&deepest(error).to_string());
    match error {
        SdkError::ServiceError(answered) => refusal(&received(target, answered.raw()), answered.err(), context),
        SdkError::ConstructionFailure(_) => target.unusable(&format!("the request cannot be built: {why}")),
        // No connection, no credentials, or an answer that ends in its middle.
        _ => passing(target.said(&format!("could not be reached, or broke off: {why}"))),
    }
}

fn received(target: Target, response: &HttpResponse) -> Received {
    let header = |(name, value): (&str, &str)| Some((name.parse::<HeaderName>().ok()?, value.parse::<HeaderValue>().ok()?));
    let headers: HeaderMap = response.headers().iter().filter_map(header).collect();
    let body = response.body().bytes().unwrap_or_default().to_vec();
    Received { target, status: response.status().as_u16(), headers, body }
}

fn refusal(received: &Received, error: &ConverseError, context: &CallContext) -> EffectError {
    let body = String::from_utf8_lossy(&received.body);
    if received.is_success() {
        return received.unusable(&format!("not as Converse does: {}", received.target.quote(&body)));
    }
    let said = received.target.quote(error.message().unwrap_or(&body));
    let what = match error {
        // What AWS says to this names the account and the role: that is for the log alone.
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

/// The status of a model's own failure is 424; the one that the model gave is inside.
fn model_may_recover(error: &ConverseError) -> bool {
    let ConverseError::ModelErrorException(model) = error else { return false };
    model.original_status_code.and_then(|status| status.try_into().ok()).is_some_and(worth_retrying)
}
