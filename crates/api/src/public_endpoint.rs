//! Endpoints that take no API key: the caller is authenticated in another way, or not at all.

use std::future::Future;

use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyResponse;
use lambda_http::request::LambdaRequest;
use lambda_http::{LambdaEvent, Request, RequestExt, lambda_runtime, service_fn, tracing};
use serde_json::Value;

use crate::cookies::cookie;
use crate::query::check_query;
use crate::request::{check_json, json_of};
use crate::{ApiError, ApiResponse, BaseUrl, Error, HttpResponse, PublicEndpoint};

/// A request whose caller is not authenticated.
#[derive(Debug)]
pub struct PublicRequest {
    request: Request,
}

impl PublicRequest {
    /// Returns a parameter of the path; an empty text if there is none of that name.
    pub fn path_parameter(&self, name: &str) -> &str {
        self.request.path_parameters_ref().and_then(|parameters| parameters.first(name)).unwrap_or_default()
    }

    /// Returns a header. A header that is not text counts as absent.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns a query parameter. An empty one counts as absent.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.request.query_string_parameters_ref().and_then(|parameters| parameters.first(name)).filter(|value| !value.is_empty())
    }

    /// Returns the value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        cookie(self.request.headers(), name)
    }

    /// Returns where the deployment is, as the browser sees it.
    pub fn base_url(&self) -> BaseUrl {
        BaseUrl::of(&self.request)
    }

    /// Returns whether there is a header of that name, text or not.
    pub fn has_header(&self, name: &str) -> bool {
        self.request.headers().contains_key(name)
    }

    /// Returns the bytes of the body as they were sent, also if API Gateway passes them on in base64. Fails if there are more than
    /// `max_bytes`, and if the content type is not JSON.
    pub fn raw_json(&self, max_bytes: usize) -> Result<&[u8], ApiError> {
        let bytes = self.request.body().as_ref();
        if bytes.len() > max_bytes {
            return Err(ApiError::TooLarge("body", max_bytes));
        }
        check_json(self.request.headers())?;
        Ok(bytes)
    }

    /// Returns the JSON in the body, or nothing if the body is empty. Fails if the body is not JSON.
    pub fn json(&self) -> Result<Option<Value>, ApiError> {
        json_of(self.request.body().as_ref())
    }
}

/// Returns the response to one request. An unknown query parameter is refused before the caller is authenticated, as is a body that is too
/// large: neither depends on who calls.
pub async fn respond_public<F>(endpoint: PublicEndpoint, handler: &impl Fn(PublicRequest) -> F, request: Request) -> HttpResponse
where
    F: Future<Output = Result<ApiResponse, ApiError>>,
{
    let request_id = request.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default();
    let result = match check_query(&request, endpoint.query) {
        Ok(()) => handler(PublicRequest { request }).await,
        Err(errors) => Err(errors.into()),
    };
    HttpResponse::of(result, endpoint.name, &request_id).with_scheme("X-Quantum-Signature")
}

/// Serves an endpoint without a key until the platform ends the process.
pub async fn serve_public<H, F>(endpoint: PublicEndpoint, handler: H) -> Result<(), Error>
where
    H: Fn(PublicRequest) -> F,
    F: Future<Output = Result<ApiResponse, ApiError>>,
{
    tracing::init_default_subscriber();
    let service = async |event: LambdaEvent<LambdaRequest>| {
        let request = Request::from(event.payload).with_lambda_context(event.context);
        Ok::<_, Error>(ApiGatewayProxyResponse::from(respond_public(endpoint, &handler, request).await))
    };
    lambda_runtime::run(service_fn(service)).await
}
