//! Requests that are no step's: deliveries of webhooks, health checks of connections. The same client, the same guard, no model.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use domain::id::OrgId;
use domain::network::PrivateNetworks;
use domain::ports::{EffectError, PortError};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response};
use tokio::time::Instant;
use url::Url;

use crate::attempt::millis_since;
use crate::egress::Egress;
use crate::failure::{Target, retry_after};
use crate::http::{Client, ClientError, Sender};
use crate::lookup::{Lookup, SystemLookup};

/// Sends requests past the egress guard. One for each process: it keeps connections and the trusted roots.
#[derive(Debug)]
pub struct Outbound {
    client: Client,
}

/// One request.
#[derive(Clone, Copy)]
pub struct OutboundRequest<'a> {
    /// Whose request it is: the private ranges that are open to them count.
    pub org: &'a OrgId,
    /// HTTP method.
    pub method: &'a str,
    /// Absolute URL.
    pub url: &'a str,
    /// Names and values; nothing is added but `user-agent`, `host` and `content-length`. No value is logged, or quoted in a failure.
    pub headers: &'a [(&'a str, &'a str)],
    /// The bytes as they are sent. Empty: none.
    pub body: &'a [u8],
    /// For everything together: looking up the name, connecting, sending, reading.
    pub timeout: Duration,
    /// So much of the answer's body is read; the rest is left.
    pub max_reply_bytes: usize,
}

/// The body and the headers may hold secrets.
impl fmt::Debug for OutboundRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundRequest").field("org", self.org).field("method", &self.method).finish_non_exhaustive()
    }
}

/// An answer came, of whatever status. Redirects are answers as well: they are not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundResponse {
    /// HTTP status.
    pub status: u16,
    /// The first bytes of the body, [`max_reply_bytes`](OutboundRequest::max_reply_bytes) at most.
    pub body: Vec<u8>,
    /// The wait that the response asks for (`Retry-After`), in seconds.
    pub retry_after_seconds: Option<u64>,
    /// How long it took, in milliseconds.
    pub millis: u64,
}

/// No answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OutboundError {
    /// A sentence for whoever gave the URL: what was called, what happened. No header, no query, no credential.
    pub message: String,
    /// Whether sending it again may help. If not, nothing was sent.
    pub retryable: bool,
}

impl From<EffectError> for OutboundError {
    fn from(error: EffectError) -> Self {
        Self { message: error.message, retryable: error.retryable }
    }
}

/// Why a URL cannot be registered.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// What is wrong with it, for whoever gave it.
    #[error("{0}")]
    NotAllowed(String),
    /// What private networks are open is not known.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl Egress {
    /// Whether `url` is one that the organisation's requests may be sent to, as far as the URL alone can tell; what its name
    /// resolves to is judged whenever something is sent.
    pub async fn judge(self, networks: &impl PrivateNetworks, org: &OrgId, url: &str) -> Result<Url, UrlError> {
        let url =
            Url::parse(url).map_err(|why| UrlError::NotAllowed(format!("is no absolute URL such as https://api.example.com: {why}")))?;
        let Err(refused) = self.check(&url, &[]) else { return Ok(url) };
        if refused.private().is_some() && self.check(&url, &networks.private_ranges(org).await?).is_ok() {
            return Ok(url);
        }
        Err(UrlError::NotAllowed(refused.to_string()))
    }
}

impl Outbound {
    /// Builds the client.
    pub fn new(egress: Egress) -> Result<Self, ClientError> {
        Self::with_lookup(egress, Arc::new(SystemLookup))
    }

    /// The same with another resolver.
    pub fn with_lookup(egress: Egress, lookup: Arc<dyn Lookup>) -> Result<Self, ClientError> {
        Ok(Self { client: Client::new(egress, lookup)? })
    }

    /// Sends a request, once, and reads the beginning of the answer.
    pub async fn send(&self, networks: &impl PrivateNetworks, message: OutboundRequest<'_>) -> Result<OutboundResponse, OutboundError> {
        let unusable = |message: String| OutboundError { message, retryable: false };
        let url = Url::parse(message.url).map_err(|why| unusable(format!("the URL is not an absolute one: {why}")))?;
        let target = Target::new(message.method, &url, message.headers.iter().map(|(_, value)| *value));
        let method = Method::from_bytes(message.method.as_bytes()).map_err(|_| target.unusable("its method is not one of HTTP's"))?;
        let headers = headers(message.headers).map_err(|name| target.unusable(&format!("header `{name}` cannot be sent")))?;
        let body = (!message.body.is_empty()).then(|| message.body.to_vec());
        let request = self.client.request(method, url, headers, body, &target)?;
        let begun = Instant::now();
        let sender = Sender { org: message.org, networks };
        let exchange = async {
            let response = self.client.dispatch(&sender, request, &target).await?;
            let status = response.status().as_u16();
            let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let retry_after_seconds = asked.and_then(|value| retry_after(value, SystemTime::now()));
            let body = beginning(response, message.max_reply_bytes).await;
            Ok(OutboundResponse { status, body, retry_after_seconds, millis: millis_since(begun) })
        };
        let answer = tokio::time::timeout(message.timeout, exchange).await;
        answer.unwrap_or_else(|_| Err(target.silent(message.timeout.as_secs()).into()))
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

/// The status has been said: a body that breaks off is as long as it is.
async fn beginning(mut response: Response, most: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < most {
        let Ok(Some(chunk)) = response.chunk().await else { break };
        body.extend(chunk.iter().take(most - body.len()));
    }
    body
}
