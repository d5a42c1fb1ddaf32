//! The HTTP client for identity providers. It is that of the AWS SDK, which is linked anyway, with a resolver that knows one answer: the
//! addresses that the egress guard has judged.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use domain::id::OrgId;
use domain::network::PrivateNetworks;
use domain::ports::PortError;
use egress::lookup::{Lookup, SystemLookup};
use egress::policy::{BadEgress, Egress, EgressDenial};
use serde_json::Value;
use url::{Host, Url};

/// The time for everything together: resolving the name, connecting, sending, reading. A caller waits for it.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The most bytes of a response. Documents of identity providers have a few thousand.
const MAX_BYTES: usize = 256 * 1024;

/// Asks identity providers, past the egress guard.
#[derive(Debug, Clone)]
pub struct Web {
    egress: Egress,
    lookup: Arc<dyn Lookup>,
}

/// Why there is no usable response.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The URL may not be called.
    #[error("{0}")]
    NotAllowed(String),
    /// There was no response in time, or one that is of no use.
    #[error("{0}")]
    NoAnswer(String),
    /// The response has a status that is no success. The body may say why.
    #[error("it answered {0}")]
    Refused(u16),
    /// The private networks that are open could not be read.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// The guard that allows public addresses alone, and the resolver of the system.
impl Default for Web {
    fn default() -> Self {
        Self { egress: Egress::default(), lookup: Arc::new(SystemLookup) }
    }
}

impl Web {
    /// Returns the client of a deployment. Fails if `EGRESS_ALLOW` has an unknown word.
    pub fn from_env() -> Result<Self, BadEgress> {
        Ok(Self { egress: Egress::from_env()?, lookup: Arc::new(SystemLookup) })
    }

    /// Returns a client with another guard and another resolver.
    pub fn new(egress: Egress, lookup: Arc<dyn Lookup>) -> Self {
        Self { egress, lookup }
    }

    /// Returns why a URL cannot be called, as far as the URL alone shows, if no private network is open.
    pub fn url_problem(&self, url: &str) -> Option<String> {
        match Url::parse(url) {
            Err(why) => Some(format!("is no absolute URL such as https://login.example.com: {why}")),
            Ok(url) if !url.username().is_empty() || url.password().is_some() => Some("must not contain a user".to_owned()),
            Ok(url) => self.egress.check(&url, &[]).err().filter(|denial| denial.private().is_none()).map(|denial| denial.to_string()),
        }
    }

    /// Reads a JSON document.
    pub async fn get(&self, networks: &impl PrivateNetworks, org: &OrgId, url: &str) -> Result<Value, WebError> {
        self.ask(networks, org, "GET", url, None).await
    }

    /// Sends a form, and reads a JSON document. `authorization` is the value of the header, if there is one.
    pub async fn post_form(
        &self,
        networks: &impl PrivateNetworks,
        org: &OrgId,
        url: &str,
        form: &str,
        authorization: Option<&str>,
    ) -> Result<Value, WebError> {
        self.ask(networks, org, "POST", url, Some((form, authorization))).await
    }

    async fn ask(
        &self,
        networks: &impl PrivateNetworks,
        org: &OrgId,
        method: &str,
        url: &str,
        form: Option<(&str, Option<&str>)>,
    ) -> Result<Value, WebError> {
        let exchange = async {
            let addresses = self.addresses(networks, org, url).await?;
            let bytes = exchange(addresses, request(method, url, form)?).await?;
            exact_json::read(&bytes).map_err(|_| WebError::NoAnswer("its answer is not JSON".to_owned()))
        };
        tokio::time::timeout(TIMEOUT, exchange)
            .await
            .unwrap_or_else(|_| Err(WebError::NoAnswer(format!("it did not answer in {} s", TIMEOUT.as_secs()))))
    }

    /// Returns the addresses that may be connected to.
    async fn addresses(&self, networks: &impl PrivateNetworks, org: &OrgId, url: &str) -> Result<Vec<IpAddr>, WebError> {
        let url = Url::parse(url).map_err(|why| WebError::NotAllowed(format!("`{url}` is no absolute URL: {why}")))?;
        let addresses = match url.host() {
            Some(Host::Domain(name)) => {
                let found = self.lookup.lookup(name).await;
                found.map_err(|_| WebError::NoAnswer(format!("the name `{name}` was not found")))?
            }
            Some(Host::Ipv4(address)) => vec![address.into()],
            Some(Host::Ipv6(address)) => vec![address.into()],
            None => Vec::new(),
        };
        let judge = |open: &[_]| {
            self.egress.check(&url, open)?;
            match url.host() {
                Some(Host::Domain(name)) => self.egress.check_resolved(name, &addresses, open),
                _ => Ok(()),
            }
        };
        let denied = |denial: EgressDenial| WebError::NotAllowed(denial.to_string());
        match judge(&[]) {
            // The ranges are read only when an address turned out to be private.
            Err(denial) if denial.private().is_some() => judge(&networks.private_ranges(org).await?).map_err(denied)?,
            judged => judged.map_err(denied)?,
        }
        Ok(addresses)
    }
}

fn request(method: &str, url: &str, form: Option<(&str, Option<&str>)>) -> Result<HttpRequest, WebError> {
    let invalid = || WebError::NotAllowed("the request cannot be written".to_owned());
    let mut request = HttpRequest::new(form.map_or_else(SdkBody::empty, |(form, _)| SdkBody::from(form)));
    request.set_method(method).map_err(|_| invalid())?;
    request.set_uri(url).map_err(|_| invalid())?;
    let headers = request.headers_mut();
    headers.insert("accept", "application/json");
    headers.insert("user-agent", "runs");
    if let Some((form, authorization)) = form {
        headers.insert("content-type", "application/x-www-form-urlencoded");
        headers.insert("content-length", form.len().to_string());
        if let Some(authorization) = authorization {
            headers.try_insert("authorization", authorization.to_owned()).map_err(|_| invalid())?;
        }
    }
    Ok(request)
}

/// Sends a request to one of these addresses. A redirect is not followed: it is a response that is no success.
async fn exchange(addresses: Vec<IpAddr>, request: HttpRequest) -> Result<Vec<u8>, WebError> {
    let connector = runtime::connector_to(addresses);
    let response = connector.call(request).await.map_err(|error| {
        // The error of the client says which part of it failed; it is for us.
        tracing::info!(error = ?error, "an identity provider was not reached");
        WebError::NoAnswer("it cannot be reached".to_owned())
    })?;
    let status = response.status().as_u16();
    if !response.status().is_success() {
        return Err(WebError::Refused(status));
    }
    let mut body = ByteStream::new(response.into_body());
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| WebError::NoAnswer("its answer breaks off".to_owned()))?;
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err(WebError::NoAnswer(format!("its answer has more than {MAX_BYTES} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
