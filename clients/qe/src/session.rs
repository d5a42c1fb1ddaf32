//! The connection to the API.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, Response};
use runs_client::{Client, types};
use serde_json::Value;

use crate::failure::Failure;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// API Gateway ends a request after 29 seconds.
const TIMEOUT: Duration = Duration::from_secs(35);

/// An address of the API and a key.
#[derive(Debug)]
pub struct Session {
    /// The generated client.
    pub api: Client,
    http: reqwest::Client,
    base_url: String,
}

impl Session {
    /// Returns the session that the environment describes: `QE_BASE_URL` and `QE_API_KEY`.
    pub fn from_env() -> Result<Self, Failure> {
        let base_url = variable("QE_BASE_URL", "the address of the API, such as http://127.0.0.1:4566/…")?;
        let mut key = HeaderValue::try_from(format!("Bearer {}", variable("QE_API_KEY", "an API key, qe_sk_…")?))
            .map_err(|_| Failure::usage("QE_API_KEY has a character that is not valid in a header; was it copied with a line break?"))?;
        key.set_sensitive(true);
        // Fails if a provider is installed already, which serves as well.
        _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("qe/", env!("CARGO_PKG_VERSION")))
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, key)]))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| Failure::here(format!("no HTTP client: {error}")))?;
        let base_url = base_url.trim_end_matches('/').to_owned();
        Ok(Self { api: Client::new_with_client(&base_url, http.clone()), http, base_url })
    }

    /// Sends JSON unchanged and returns the `data` of the response unchanged, or nothing for a 404. It is for values that must not lose
    /// fields which this client did not know when it was built.
    pub async fn raw(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Option<Value>, Failure> {
        let mut request = self.http.request(method, format!("{}{path}", self.base_url));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(Failure::unreachable)?;
        if answer.status().as_u16() == 404 {
            return Ok(None);
        }
        let status = answer.status().as_u16();
        if !answer.status().is_success() {
            return Err(Failure::of_response(status, &read::<types::AnyError>(answer).await?));
        }
        Ok(read::<Value>(answer).await?.get_mut("data").map(Value::take))
    }

    /// Returns the JSON at a signed URL. The key is not sent to it.
    pub async fn fetch(&self, url: &str) -> Result<Value, Failure> {
        let http = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(TIMEOUT).build();
        let answer = http.map_err(Failure::unreachable)?.get(url).send().await.and_then(Response::error_for_status);
        read(answer.map_err(|error| Failure::unreachable(error.without_url()))?).await
    }
}

async fn read<T: serde::de::DeserializeOwned>(answer: Response) -> Result<T, Failure> {
    let status = answer.status().as_u16();
    answer.json().await.map_err(|_| Failure::unknown_response(status))
}

fn variable(name: &str, what: &str) -> Result<String, Failure> {
    let value = std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    value.ok_or_else(|| Failure::usage(format!("{name} is not set: {what}. `make up` writes that of the local stack to .dev/env")))
}
