//! Requests that no step sends: deliveries of webhooks, and health checks of connections. They use the same client and guard.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use domain::id::OrgId;
use domain::network::PrivateNetworks;
use domain::ports::EffectError;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response};
use tokio::time::Instant;
use url::Url;

use crate::attempt::millis_since;
use crate::egress::lookup::{Lookup, SystemLookup};
use crate::egress::policy::Egress;
use crate::failure::{Target, parse_retry_after};
use crate::http::client::{Client, ClientError, Sender};

/// Sends requests past the egress guard. Build it once per process: it keeps connections and the trusted root certificates.
#[derive(Debug)]
pub struct Outbound {
    client: Client,
}

/// One request.
#[derive(Clone, Copy)]
pub struct OutboundRequest<'a> {
    /// The organisation that sends the request; the private ranges that are open to it count.
    pub org: &'a OrgId,
    /// The HTTP method.
    pub method: &'a str,
    /// The absolute URL.
    pub url: &'a str,
    /// Names and values; only `user-agent`, `accept`, `host` and `content-length` are added. No value is logged, or quoted in an error.
    pub headers: &'a [(&'a str, &'a str)],
    /// The bytes of the body; an empty slice is no body.
    pub body: &'a [u8],
    /// The time for everything together: resolving the name, connecting, sending, reading.
    pub timeout: Duration,
    /// The most bytes of the response's body that are read; the rest is left.
    pub max_reply_bytes: usize,
}

/// Leaves out the URL, the headers and the body, which may hold secrets.
impl fmt::Debug for OutboundRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundRequest").field("org", self.org).field("method", &self.method).finish_non_exhaustive()
    }
}

/// A response of any status. A redirect is a response as well: it is not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundResponse {
    /// The HTTP status.
    pub status: u16,
    /// The first bytes of the body, [`max_reply_bytes`](OutboundRequest::max_reply_bytes) at most.
    pub body: Vec<u8>,
    /// The wait that the response asks for (`Retry-After`), in seconds.
    pub retry_after_seconds: Option<u64>,
    /// The time that it took, in milliseconds.
    pub millis: u64,
}

/// There was no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OutboundError {
    /// A sentence for the person who gave the URL: what was called, and what happened. It has no header, query or credential.
    pub message: String,
    /// Whether sending it again may help. If not, the request was not sent.
    pub retryable: bool,
}

impl From<EffectError> for OutboundError {
    fn from(error: EffectError) -> Self {
        Self { message: error.message, retryable: error.retryable }
    }
}

impl Outbound {
    /// Builds the client. Fails if the system's root certificates cannot be read.
    pub fn new(egress: Egress) -> Result<Self, ClientError> {
        Self::with_lookup(egress, Arc::new(SystemLookup))
    }

    /// Builds the client with another resolver.
    pub fn with_lookup(egress: Egress, lookup: Arc<dyn Lookup>) -> Result<Self, ClientError> {
        Ok(Self { client: Client::new(egress, lookup)? })
    }

    /// Sends a request, once, and reads the beginning of the response. Fails if there was none in time, or the guard denied it.
    pub async fn send(&self, networks: &impl PrivateNetworks, outbound: OutboundRequest<'_>) -> Result<OutboundResponse, OutboundError> {
        let invalid = |message: String| OutboundError { message, retryable: false };
        let url = Url::parse(outbound.url).map_err(|why| invalid(format!("the URL is not an absolute one: {why}")))?;
        let target = Target::new(outbound.method, &url, outbound.headers.iter().map(|(_, value)| *value));
        let method = Method::from_bytes(outbound.method.as_bytes()).map_err(|_| target.not_sent("its method is not one of HTTP's"))?;
        let headers = headers(outbound.headers).map_err(|name| target.not_sent(&format!("header `{name}` cannot be sent")))?;
        let body = (!outbound.body.is_empty()).then(|| outbound.body.to_vec());
        let request = self.client.request(method, url, headers, body, &target)?;
        let begun = Instant::now();
        let sender = Sender { org: outbound.org, networks };
        let exchange = async {
            let response = self.client.dispatch(&sender, request, &target).await?;
            let status = response.status().as_u16();
            let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let retry_after_seconds = asked.and_then(|value| parse_retry_after(value, SystemTime::now()));
            let body = beginning(response, outbound.max_reply_bytes).await;
            Ok(OutboundResponse { status, body, retry_after_seconds, millis: millis_since(begun) })
        };
        let answer = tokio::time::timeout(outbound.timeout, exchange).await;
        answer.unwrap_or_else(|_| Err(target.no_answer(outbound.timeout.as_secs()).into()))
    }
}

fn headers<'a>(pairs: &[(&'a str, &str)]) -> Result<HeaderMap, &'a str> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let header = HeaderName::try_from(*name).map_err(|_| *name)?;
        let mut value = HeaderValue::from_str(value).map_err(|_| *name)?;
        value.set_sensitive(true);
        headers.append(header, value);
    }
    Ok(headers)
}

/// Reads at most `most` bytes. The status is known, so a body that breaks off is not an error.
async fn beginning(mut response: Response, most: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < most {
        let Ok(Some(chunk)) = response.chunk().await else { break };
        body.extend(chunk.iter().take(most - body.len()));
    }
    body
}
