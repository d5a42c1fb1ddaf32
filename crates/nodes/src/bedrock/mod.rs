//! Amazon Bedrock's Converse API, with the function's own role.
//!
//! The SDK finds the endpoint, signs, and reads answers and errors. The body is ours, in the canonical text: the SDK keeps JSON
//! values in hash maps, and would send the same schema with its keys in another order each time.

mod answer;
mod question;
mod trouble;

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
use crate::chat::{Completion, Question};
use crate::failure::Target;
use crate::headers;

/// The client for all models.
pub(crate) fn client(aws: &SdkConfig) -> Client {
    let config = Builder::from(aws)
        // Attempts are counted and recorded by the engine.
        .retry_config(RetryConfig::disabled())
        // A model may think for minutes without a byte; the attempt's clock is over everything.
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
    pub(crate) async fn complete(&self, attempt: &Attempt<'_>, question: &Question<'_>) -> Result<Completion, EffectError> {
        let target = Target::named(format!("Bedrock model `{}`", self.id));
        let headers = headers::outgoing(attempt, &BTreeMap::new(), None, true).map_err(|why| target.unusable(&why))?;
        let body = canonical(&question::body(question));
        let late = target.late(attempt.context.timeout_seconds.into());
        if attempt.is_over() {
            return Err(late);
        }
        let converse = self.client.converse().model_id(&self.id).customize();
        let sent = converse.mutate_request(move |request| fill(request, &headers, &body)).send();
        // One clock over everything: credentials, connecting, sending, reading to the end.
        match tokio::time::timeout_at(attempt.until(), sent).await {
            Ok(Ok(output)) => answer::read(target, &self.id, output, question),
            Ok(Err(error)) => Err(trouble::tell(target, &error, attempt.context)),
            Err(_) => Err(late),
        }
    }
}

/// Puts in what the request carries. It is signed after this.
fn fill(request: &mut HttpRequest, headers: &HeaderMap, body: &str) {
    for (name, value) in headers {
        // Valid in HTTP, or it would not be in the map.
        _ = request.headers_mut().try_insert(name.clone(), value.clone());
    }
    request.headers_mut().insert("content-length", body.len().to_string());
    *request.body_mut() = SdkBody::from(body);
}
