//! Amazon Bedrock's Converse API, called with the function's own role.
//!
//! The SDK finds the endpoint, signs, and reads responses and errors. The body is written here, as canonical JSON: the SDK keeps
//! JSON values in hash maps, and would send the same schema with its keys in another order each time.

mod error;
mod request;
mod response;

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::http::HttpRequest;
use aws_sdk_bedrockruntime::config::retry::RetryConfig;
use aws_sdk_bedrockruntime::config::{Builder, StalledStreamProtectionConfig};
use aws_smithy_types::body::SdkBody;
use domain::json::canonical;
use domain::ports::EffectError;
use reqwest::header::HeaderMap;

use crate::attempt::Attempt;
use crate::failure::Target;
use crate::http::headers;
use crate::llm::chat::{ChatRequest, Completion};

/// Builds the client for all models.
pub(crate) fn client(aws: &SdkConfig) -> Client {
    let config = Builder::from(aws)
        // Attempts are counted and recorded by the engine.
        .retry_config(RetryConfig::disabled())
        // A model may take minutes before the first byte; the attempt's deadline is what limits it.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    Client::from_conf(config.build())
}

/// A foundation model or an inference profile.
#[derive(Debug)]
pub(crate) struct Model {
    client: Client,
    id: String,
}

impl Model {
    pub(crate) fn new(client: Client, id: String) -> Self {
        Self { client, id }
    }

    /// Sends the conversation, once.
    pub(crate) async fn complete(&self, attempt: &Attempt<'_>, request: &ChatRequest<'_>) -> Result<Completion, EffectError> {
        let target = Target::named(format!("Bedrock model `{}`", self.id));
        let headers = headers::outgoing(attempt, &BTreeMap::new(), None, true).map_err(|why| target.not_sent(&why))?;
        let body = canonical(&request::body(request));
        let late = target.timed_out(attempt.context.timeout_seconds.into());
        if attempt.is_over() {
            return Err(late);
        }
        let converse = self.client.converse().model_id(&self.id).customize();
        let sent = converse.mutate_request(move |request| fill(request, &headers, &body)).send();
        // One deadline for everything: credentials, connecting, sending, reading to the end.
        match tokio::time::timeout_at(attempt.deadline(), sent).await {
            Ok(Ok(output)) => response::read(target, &self.id, output, request),
            Ok(Err(error)) => Err(error::effect_error(target, &error, attempt.context)),
            Err(_) => Err(late),
        }
    }
}

/// Sets the headers and the body. The SDK signs the request afterwards.
fn fill(request: &mut HttpRequest, headers: &HeaderMap, body: &str) {
    for (name, value) in headers {
        // Every name and value of the map is valid in HTTP, so this cannot fail.
        _ = request.headers_mut().try_insert(name.clone(), value.clone());
    }
    request.headers_mut().insert("content-length", body.len().to_string());
    *request.body_mut() = SdkBody::from(body);
}
