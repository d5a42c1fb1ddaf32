//! What a handler returns, and the HTTP response that is made of it.

use domain::access::Usage;
use domain::time::Time;
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyResponse;
use lambda_http::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use lambda_http::http::{HeaderMap, HeaderName, HeaderValue};
use lambda_http::{Body, tracing};
use serde_json::Value;

use crate::json_object::set;
use crate::{ApiError, named};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The successful result of a handler.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiResponse {
    status: u16,
    /// Null is no body.
    body: Value,
    /// Headers that only this response has.
    headers: Vec<(HeaderName, String)>,
}

impl ApiResponse {
    fn new(status: u16, body: Value) -> Self {
        Self { status, body, headers: Vec::new() }
    }

    /// Returns 204, for something that was done and has nothing to show.
    pub fn no_content() -> Self {
        Self::new(204, Value::Null)
    }

    /// Returns 302 to a URL that is ours, or that of an identity provider.
    pub fn redirect(url: String) -> Self {
        Self { headers: vec![(LOCATION, url)], ..Self::new(302, Value::Null) }
    }

    /// Adds a line `Set-Cookie`.
    #[must_use]
    pub fn with_cookie(mut self, line: String) -> Self {
        self.headers.push((SET_COOKIE, line));
        self
    }

    /// Returns 200 with `{"data": …}`.
    pub fn ok(data: Value) -> Self {
        Self::new(200, named("data", data))
    }

    /// Returns 200 with `{"data": …}` and `"dryRun": true` in it, for a request that was validated and changed nothing.
    pub fn dry_run(mut data: Value) -> Self {
        set(&mut data, "dryRun", true.into());
        Self::ok(data)
    }

    /// Returns 201 with `{"data": …}`, for a resource that was created.
    pub fn created(data: Value) -> Self {
        Self::new(201, named("data", data))
    }

    /// Returns 202 with `{"data": …}`, for work that was accepted and continues asynchronously.
    pub fn accepted(data: Value) -> Self {
        Self::new(202, named("data", data))
    }

    /// Returns 200 with a whole body: a page of a list.
    pub(crate) fn page(body: Value) -> Self {
        Self::new(200, body)
    }

    /// Returns the HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the whole body.
    pub fn body(&self) -> &Value {
        &self.body
    }
}

/// A response as it is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpResponse {
    /// The HTTP status.
    pub status: u16,
    /// The headers. Those of the rate limit are present whenever the caller's key is valid, whatever the outcome of the call.
    pub headers: HeaderMap,
    /// The whole body; null is none.
    pub body: Value,
}

impl HttpResponse {
    /// Makes the response of a handler's result, and logs a failure of ours. This is the only place where it is logged: a mistake of
    /// the caller is not a failure of ours. `endpoint` and `request_id` are for the log.
    pub(crate) fn of(result: Result<ApiResponse, ApiError>, endpoint: &str, request_id: &str) -> Self {
        let (status, body, more) = match result {
            Ok(response) => (response.status, response.body, response.headers),
            Err(error) => {
                if error.status() >= 500 {
                    tracing::error!(endpoint, request_id, error = %error, "a call failed");
                }
                (error.status(), error.body(), Vec::new())
            }
        };
        let mut headers = HeaderMap::new();
        if !body.is_null() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in more {
            // What is not a header value is none of ours: ids, paths and URLs are checked before.
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.append(name, value);
            }
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Self { status, headers, body }
    }

    /// Names the scheme that a caller has to authenticate with, if the response is a 401.
    pub(crate) fn with_scheme(mut self, scheme: &'static str) -> Self {
        if self.status == 401 {
            self.headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
        }
        self
    }

    /// Adds the headers of the rate limit. A 429 also says in how many seconds the next call is admitted.
    pub(crate) fn with_usage(mut self, usage: Usage, now: Time) -> Self {
        self.headers.insert(LIMIT, usage.limit.into());
        self.headers.insert(REMAINING, usage.remaining().into());
        self.headers.insert(RESET, usage.minute.end().seconds().into());
        if self.status == 429 {
            self.headers.insert(RETRY_AFTER, now.seconds_until(usage.minute.end()).into());
        }
        self
    }
}

impl From<HttpResponse> for ApiGatewayProxyResponse {
    fn from(response: HttpResponse) -> Self {
        let mut proxied = Self::default();
        proxied.status_code = i64::from(response.status);
        // Only these may come more than once, which API Gateway takes from the second map.
        let mut headers = response.headers;
        let cookies: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().cloned().collect();
        headers.remove(SET_COOKIE);
        for cookie in cookies {
            proxied.multi_value_headers.append(SET_COOKIE, cookie);
        }
        proxied.headers = headers;
        proxied.body = Some(if response.body.is_null() { Body::Empty } else { Body::Text(response.body.to_string()) });
        proxied
    }
}
