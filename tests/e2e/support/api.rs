//! Calls to the API, and the checks that hold for every response.

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method};
use serde_json::{Map, Value};

use super::recording::{Sent, record};

/// Names that no field of any response may have: a task token resumes a run for any holder.
const SECRET_NAMES: [&str; 5] = ["token", "tasktoken", "outboxpk", "owner", "secretsha256"];
/// Calls without a key, which therefore have no rate limit.
const WITHOUT_KEY: &str = "POST /api/triggers/wh/";
/// The only call whose response contains a key.
const SHOWS_A_KEY: &str = "POST /api/api-keys";

/// The API, called with one key.
#[derive(Debug, Clone)]
pub struct Api {
    client: Client,
    base: String,
    authorization: Option<String>,
}

/// A response that has passed the checks that hold for all of them.
#[derive(Debug)]
pub struct ApiResponse {
    /// HTTP status.
    pub status: u16,
    /// Response headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Value,
    /// The call, for messages.
    call: String,
}

/// The rate limit that a response reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// `X-RateLimit-Limit`
    pub limit: u64,
    /// `X-RateLimit-Remaining`
    pub remaining: u64,
    /// `X-RateLimit-Reset`, in Unix seconds.
    pub reset: u64,
}

impl Api {
    /// Calls below `base`, with `key` if there is one.
    pub fn new(client: &Client, base: &str, key: Option<&str>) -> Self {
        Self { client: client.clone(), base: base.to_owned(), authorization: key.map(|key| format!("Bearer {key}")) }
    }

    /// Returns the same API, called with this `Authorization` header.
    pub fn authorized_by(&self, header: &str) -> Self {
        Self { authorization: Some(header.to_owned()), ..self.clone() }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> ApiResponse {
        self.call(Method::GET, path, &[], None).await
    }

    /// POST of a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> ApiResponse {
        self.send(Method::POST, path, body).await
    }

    /// Any method, with a JSON body.
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> ApiResponse {
        self.call(method, path, &[("content-type", "application/json")], Some(body.to_string().into_bytes())).await
    }

    /// GET of a resource that is not JSON or has no body, without the checks.
    pub async fn page(&self, path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, String) {
        self.exchange(Method::GET, path, headers, None).await
    }

    /// Any request.
    pub async fn call(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> ApiResponse {
        let name = format!("{method} {}", path.chars().take(200).collect::<String>());
        let (status, received, text) = self.exchange(method, path, headers, body).await;
        ApiResponse::checked(name, status, received, &text)
    }

    async fn exchange(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> (u16, HeaderMap, String) {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.base));
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let sent = Sent { method: &method, path, headers, body: body.as_deref() };
        if let Some(body) = &body {
            request = request.body(body.clone());
        }
        let call = format!("{method} {}", path.chars().take(200).collect::<String>());
        let response = request.send().await.unwrap_or_else(|error| panic!("{call} got no answer (does the stack run?): {error:?}"));
        let (status, received) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap_or_else(|error| panic!("{call} answered {status}, and then: {error}"));
        record(sent, status, &received, &text);
        (status, received, text)
    }
}

impl ApiResponse {
    fn checked(call: String, status: u16, headers: HeaderMap, text: &str) -> Self {
        assert!(status < 500, "{call} answered {status}: {text}");
        if status == 204 {
            assert!(text.is_empty(), "{call} answered 204 with a body: {text}");
            return Self { status, headers, body: Value::Null, call };
        }
        let media = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
        assert_eq!(media, Some("application/json"), "{call} answered {status}: {text}");
        let body: Value = serde_json::from_str(text).unwrap_or_else(|why| panic!("{call} answered {status}, not JSON ({why}): {text}"));
        let fields = body.as_object().unwrap_or_else(|| panic!("{call} answered {status}, no object: {text}"));
        let allowed: &[&str] = match status {
            200..=299 => &["data", "total", "page", "limit", "meta"],
            400 | 422 => &["error", "details"],
            409 => &["error", "openApprovals", "openNodeIds", "changed"],
            429 => &["error", "bucket", "limit"],
            _ => &["error"],
        };
        let required = if status < 300 { body["data"].is_object() || body["data"].is_array() } else { body["error"].is_string() };
        let fits = required && fields.keys().all(|name| allowed.contains(&name.as_str()));
        assert!(fits, "{call} answered {status} outside the envelope: {text}");
        if let Some(path) = secret_in(&body, "") {
            panic!("{call} answered {status} and gave away {path}");
        }
        assert!(call == SHOWS_A_KEY || !text.contains("qe_sk_"), "{call} answered {status} and gave away a key: {text}");
        let answer = Self { status, headers, body, call };
        // Unknown paths and bodies that are too large are answered before the key is read, and so is a call that a page of another origin
        // may have made with the cookie of a session.
        let is_forged = status == 403 && answer.body["error"].as_str().is_some_and(|error| error.contains("x-runs-console"));
        let knows_the_key = matches!(status, 200..=299 | 403 | 409 | 422 | 429) && !answer.call.starts_with(WITHOUT_KEY) && !is_forged;
        assert!(answer.rate().is_some() || !knows_the_key, "{} answered {status} without its rate limit", answer.call);
        answer
    }

    /// The rate limit of the key; `None` if the response does not report it.
    pub fn rate(&self) -> Option<Rate> {
        let number = |name: &str| self.headers.get(name)?.to_str().ok()?.parse().ok();
        Some(Rate { limit: number("x-ratelimit-limit")?, remaining: number("x-ratelimit-remaining")?, reset: number("x-ratelimit-reset")? })
    }

    /// `data`, if the status is this one.
    #[track_caller]
    pub fn data(&self, status: u16) -> &Value {
        self.must_be(status);
        &self.body["data"]
    }

    /// The rows of a list.
    #[track_caller]
    pub fn rows(&self) -> &[Value] {
        self.data(200).as_array().unwrap_or_else(|| panic!("{} is no list: {}", self.call, self.body))
    }

    /// The text of an error with this status.
    #[track_caller]
    pub fn error(&self, status: u16) -> &str {
        self.must_be(status);
        self.body["error"].as_str().unwrap()
    }

    /// The JSON paths of the problems that a 400 or 422 reports.
    #[track_caller]
    pub fn faulty_fields(&self, status: u16) -> Vec<&str> {
        self.field_errors(status).keys().map(String::as_str).collect()
    }

    /// The problems, by JSON path.
    #[track_caller]
    pub fn field_errors(&self, status: u16) -> &Map<String, Value> {
        self.must_be(status);
        let errors = self.body["details"]["fieldErrors"].as_object();
        errors.unwrap_or_else(|| panic!("{} has no fieldErrors: {}", self.call, self.body))
    }

    /// The problems at one path, in one text.
    #[track_caller]
    pub fn field_error(&self, status: u16, path: &str) -> String {
        let problems = self.field_errors(status).get(path).and_then(Value::as_array);
        let problems = problems.unwrap_or_else(|| panic!("{} finds nothing wrong at {path}: {}", self.call, self.body));
        problems.iter().map(|problem| problem.as_str().unwrap()).collect::<Vec<_>>().join("; ")
    }

    #[track_caller]
    fn must_be(&self, status: u16) {
        assert_eq!(self.status, status, "{} answered {}: {}", self.call, self.status, self.body);
    }
}

/// The path of a field with a secret name, if a body has one.
fn secret_in(value: &Value, path: &str) -> Option<String> {
    match value {
        Value::Object(fields) => fields.iter().find_map(|(name, inner)| {
            let path = format!("{path}/{name}");
            if SECRET_NAMES.contains(&name.to_ascii_lowercase().as_str()) { Some(path) } else { secret_in(inner, &path) }
        }),
        Value::Array(items) => items.iter().enumerate().find_map(|(at, item)| secret_in(item, &format!("{path}/{at}"))),
        _ => None,
    }
}
