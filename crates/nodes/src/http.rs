//! The one outbound HTTP client.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::json::canonical;
use domain::ports::EffectError;
use domain::step::MAX_OUTPUT_BYTES;
use reqwest::{Method, Response, redirect, retry};
use serde_json::Value;
use url::Url;

use crate::attempt::Attempt;
use crate::egress::Egress;
use crate::failure::Target;
use crate::headers;
use crate::received::Received;

/// A host that does not take a connection by then is down, however long its answers may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A Lambda may be frozen for minutes between two calls, while the other side closes the connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// As much of an error page as anybody will look at.
const MAX_FAILURE_BYTES: usize = 64 * 1024;
const MEBIBYTE: usize = 1024 * 1024;

/// The HTTP client cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be built (are the system's root certificates installed?): {0}")]
pub struct ClientError(#[source] reqwest::Error);

/// Sends requests, past the egress guard.
#[derive(Debug)]
pub(crate) struct Client {
    inner: reqwest::Client,
    egress: Egress,
}

/// One request.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: Url,
    pub(crate) headers: &'a BTreeMap<String, String>,
    pub(crate) body: Option<&'a Value>,
}

impl Client {
    pub(crate) fn new(egress: Egress) -> Result<Self, ClientError> {
        // Fails if a provider is installed already, which is then as good as ours.
        _ = rustls::crypto::ring::default_provider().install_default();
        let inner = reqwest::Client::builder()
            .user_agent(concat!("quantum-runs/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .dns_resolver(Arc::new(egress))
            // A proxy would resolve names itself, behind the guard's back.
            .no_proxy()
            // A redirect leads to a URL that nobody has approved, with our headers.
            .redirect(redirect::Policy::none())
            // Attempts are counted and recorded by the engine.
            .retry(retry::never())
            .build()
            .map_err(ClientError)?;
        Ok(Self { inner, egress })
    }

    /// Sends one request, once, and reads the answer whatever its status.
    pub(crate) async fn send(&self, attempt: &Attempt<'_>, call: Call<'_>) -> Result<Received, EffectError> {
        let target = Target::new(call.method, &call.url, headers::secrets(call.headers));
        self.egress.check(&call.url).map_err(|refused| target.refused(&refused))?;
        let method = Method::from_bytes(call.method.as_bytes()).map_err(|_| target.unusable("its method is not one of HTTP's"))?;
        let headers = headers::outgoing(attempt, call.headers, call.body.is_some()).map_err(|why| target.unusable(&why))?;
        let mut request = self.inner.request(method, call.url).headers(headers);
        if let Some(body) = call.body {
            request = request.body(canonical(body));
        }
        let late = target.late(attempt.context.timeout_seconds);
        if attempt.is_over() {
            return Err(late);
        }
        let exchange = async {
            let response = request.send().await.map_err(|error| target.broken(&error))?;
            receive(response, target).await
        };
        // One clock over everything: looking up the name, connecting, sending, reading to the end.
        tokio::time::timeout_at(attempt.until(), exchange).await.unwrap_or(Err(late))
    }
}

async fn receive(mut response: Response, target: Target) -> Result<Received, EffectError> {
    let status = response.status().as_u16();
    let mut received = Received { target, status, headers: response.headers().clone(), body: Vec::new() };
    let fine = received.is_success();
    let most = if fine { MAX_OUTPUT_BYTES } else { MAX_FAILURE_BYTES };
    if fine && response.content_length().is_some_and(|bytes| bytes > most as u64) {
        return Err(too_large(&received));
    }
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if received.body.len() + chunk.len() <= most => received.body.extend_from_slice(&chunk),
            Ok(Some(_)) if fine => return Err(too_large(&received)),
            Ok(Some(chunk)) => {
                let room = most - received.body.len();
                received.body.extend(chunk.iter().take(room));
                return Ok(received);
            }
            Err(error) if fine => return Err(EffectError { answer: Some(received.answer()), ..received.target.broken(&error) }),
            // The end, or a failure: its status says enough, even if the page about it broke off.
            Ok(None) | Err(_) => return Ok(received),
        }
    }
}

fn too_large(received: &Received) -> EffectError {
    received.unusable(&format!(
        "its body is larger than {} MiB, the most an output may have; ask for less, or page through it",
        MAX_OUTPUT_BYTES / MEBIBYTE
    ))
}
