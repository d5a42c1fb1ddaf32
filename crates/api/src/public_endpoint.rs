//! The door of an endpoint that takes no API key: whoever calls is known by something else, or by nothing.

use std::future::Future;

use domain::time::Time;
use lambda_http::http::HeaderValue;
use lambda_http::http::header::WWW_AUTHENTICATE;
use lambda_http::request::LambdaRequest;
use lambda_http::{LambdaEvent, Request, RequestExt, lambda_runtime, service_fn, tracing};
use serde_json::Value;

use crate::admission::{Answer, headers};
use crate::call::{is_json, json_of};
use crate::serve::response;
use crate::{ApiError, Error, Reply};

/// An endpoint without a key, as its function declares it beside the handler. API Gateway throttles it: there is no key to count on.
#[derive(Debug, Clone, Copy)]
pub struct PublicEndpoint {
    /// Folder, package, binary and function are called this.
    pub name: &'static str,
    /// HTTP method.
    pub method: &'static str,
    /// Path with its parameters, as in `template.yaml` and `openapi.yaml`.
    pub path: &'static str,
}

/// A request of whoever it may be.
#[derive(Debug)]
pub struct PublicCall {
    request: Request,
}

impl PublicCall {
    /// A parameter of the path.
    pub fn path_parameter(&self, name: &str) -> &str {
        self.request.path_parameters_ref().and_then(|parameters| parameters.first(name)).unwrap_or_default()
    }

    /// A header; one that is no text counts as left out.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether there is such a header, text or not.
    pub fn has_header(&self, name: &str) -> bool {
        self.request.headers().contains_key(name)
    }

    /// The body, byte by byte as it was sent, also if API Gateway hands it over in base64. It says by its media type that it is JSON,
    /// and has at most so many bytes.
    pub fn raw_json(&self, max_bytes: usize) -> Result<&[u8], ApiError> {
        let bytes = self.request.body().as_ref();
        if bytes.len() > max_bytes {
            return Err(ApiError::TooLarge("body", max_bytes));
        }
        if is_json(self.request.headers()) { Ok(bytes) } else { Err(ApiError::MediaType) }
    }

    /// The JSON in the body, if there is any.
    pub fn json(&self) -> Result<Option<Value>, ApiError> {
        json_of(self.request.body().as_ref())
    }
}

/// Answers one request.
pub async fn answer_public<F>(endpoint: PublicEndpoint, handler: &impl Fn(PublicCall) -> F, request: Request) -> Answer
where
    F: Future<Output = Result<Reply, ApiError>>,
{
    let request_id = request.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default();
    let (status, body) = match handler(PublicCall { request }).await {
        Ok(reply) => (reply.status(), reply.body().clone()),
        Err(refused) => {
            if refused.status() >= 500 {
                tracing::error!(endpoint = endpoint.name, request_id, error = %refused, "a call failed");
            }
            (refused.status(), refused.body())
        }
    };
    // What these headers say of limits is said to keys only.
    let mut headers = headers(status, None, Time::EPOCH);
    if headers.contains_key(WWW_AUTHENTICATE) {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("X-Quantum-Signature"));
    }
    Answer { status, headers, body }
}

/// Serves an endpoint without a key until the platform ends the process.
pub async fn serve_public<H, F>(endpoint: PublicEndpoint, handler: H) -> Result<(), Error>
where
    H: Fn(PublicCall) -> F,
    F: Future<Output = Result<Reply, ApiError>>,
{
    tracing::init_default_subscriber();
    let service = async |event: LambdaEvent<LambdaRequest>| {
        let request = Request::from(event.payload).with_lambda_context(event.context);
        Ok::<_, Error>(response(answer_public(endpoint, &handler, request).await))
    };
    lambda_runtime::run(service_fn(service)).await
}
