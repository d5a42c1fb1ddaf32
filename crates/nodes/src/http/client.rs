//! The one HTTP client: it sends the requests of steps past the egress guard, and reads a bounded response.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::id::OrgId;
use domain::json::canonical;
use domain::network::{PrivateNetworks, PrivateRange};
use domain::ports::{EffectError, PortError};
use domain::step::MAX_OUTPUT_BYTES;
use reqwest::dns::Resolve;
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderValue};
use reqwest::{ClientBuilder, Method, Request, Response, redirect, retry};
use secrecy::ExposeSecret;
use serde_json::Value;
use url::Url;

use crate::attempt::Attempt;
use crate::egress::lookup::Lookup;
use crate::egress::policy::{Egress, EgressDenial};
use crate::egress::resolver::{FixedAddresses, GuardedResolver};
use crate::failure::{Target, egress_denial, permanent, transient};
use crate::http::credential::Credential;
use crate::http::headers;
use crate::http::response::ReceivedResponse;

/// The longest that connecting may take. A host that takes longer is down, however long its responses may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept: a Lambda function may be frozen for minutes while the other side closes the connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// The most bytes of an error page that are read.
const MAX_FAILURE_BYTES: usize = 64 * 1024;
const MEBIBYTE: usize = 1024 * 1024;

/// The HTTP client cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be built (are the system's root certificates installed?): {0}")]
pub struct ClientError(#[source] reqwest::Error);

/// Sends requests, past the egress guard.
#[derive(Debug)]
pub(crate) struct Client {
    /// The client for public addresses. Organisations share its connections, which is safe: it reaches no address that one of them
    /// may reach and another may not.
    shared: reqwest::Client,
    guard: GuardedResolver,
    /// The local address of connections; a test that must not reach any network sets one from which there is no route.
    source: Option<IpAddr>,
}

/// One request of a step.
#[derive(Debug)]
pub(crate) struct StepRequest<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: Url,
    pub(crate) headers: &'a BTreeMap<String, String>,
    /// Replaces a header of the same name, and is removed from everything that is kept of the response.
    pub(crate) credential: Option<&'a Credential>,
    pub(crate) body: Option<&'a Value>,
}

/// The organisation that sends a request, and the store of the private networks that are open to it.
pub(crate) struct Sender<'a, N> {
    pub(crate) org: &'a OrgId,
    pub(crate) networks: &'a N,
}

/// Opens no private network: for the deployment's own URLs.
pub(crate) struct NoPrivateNetworks;

impl PrivateNetworks for NoPrivateNetworks {
    async fn private_ranges(&self, _: &OrgId) -> Result<Vec<PrivateRange>, PortError> {
        Ok(Vec::new())
    }
}

impl Client {
    /// Builds the client. Fails if the system's root certificates cannot be read.
    pub(crate) fn new(egress: Egress, lookup: Arc<dyn Lookup>) -> Result<Self, ClientError> {
        Self::from_source(egress, lookup, None)
    }

    fn from_source(egress: Egress, lookup: Arc<dyn Lookup>, source: Option<IpAddr>) -> Result<Self, ClientError> {
        // Fails if a provider is installed already, which then serves as well.
        _ = rustls::crypto::ring::default_provider().install_default();
        let guard = GuardedResolver { egress, lookup };
        let shared = builder(guard.clone(), source).build().map_err(ClientError)?;
        Ok(Self { shared, guard, source })
    }

    /// Sends one request of a step, once, and reads the response whatever its status.
    pub(crate) async fn send(
        &self,
        networks: &impl PrivateNetworks,
        attempt: &Attempt<'_>,
        call: StepRequest<'_>,
    ) -> Result<ReceivedResponse, EffectError> {
        let credential = call.credential;
        let confidential = credential.map(|credential| credential.value.expose_secret());
        let target = Target::new(call.method, &call.url, headers::secrets(call.headers).chain(confidential));
        let method = Method::from_bytes(call.method.as_bytes()).map_err(|_| target.not_sent("its method is not one of HTTP's"))?;
        let headers = headers::outgoing(attempt, call.headers, credential, call.body.is_some()).map_err(|why| target.not_sent(&why))?;
        let request = self.request(method, call.url, headers, call.body.map(|body| canonical(body).into_bytes()), &target)?;
        let late = target.timed_out(attempt.context.timeout_seconds.into());
        if attempt.is_over() {
            return Err(late);
        }
        let sender = Sender { org: &attempt.context.org, networks };
        let exchange = async {
            let response = self.dispatch(&sender, request, &target).await?;
            receive(response, target, credential).await
        };
        // One deadline for everything: resolving the name, connecting, sending, reading to the end.
        tokio::time::timeout_at(attempt.deadline(), exchange).await.unwrap_or(Err(late))
    }

    /// Builds a request. Fails if it may not be sent even by a sender with private networks open.
    pub(crate) fn request(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Option<Vec<u8>>,
        target: &Target,
    ) -> Result<Request, EffectError> {
        if let Err(refused) = self.guard.egress.check(&url, &[])
            && refused.private().is_none()
        {
            return Err(target.denied(&refused));
        }
        let mut headers = headers;
        if body.is_none() && [Method::POST, Method::PUT, Method::PATCH].contains(&method) {
            // RFC 9110, section 8.6: many servers answer 411 to such a request without it.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let request = self.shared.request(method, url).headers(headers);
        let request = if let Some(body) = body { request.body(body) } else { request };
        request.build().map_err(|error| target.transport_error(&error))
    }

    /// Sends a request past the guard, and returns its response as soon as that begins.
    pub(crate) async fn dispatch(
        &self,
        sender: &Sender<'_, impl PrivateNetworks>,
        request: Request,
        target: &Target,
    ) -> Result<Response, EffectError> {
        if let Err(refused) = self.guard.egress.check(request.url(), &[]) {
            return self.dispatch_privately(sender, request, target, &refused).await;
        }
        // A body of bytes can always be cloned.
        let retry = request.try_clone();
        match self.shared.execute(request).await {
            Ok(response) => Ok(response),
            Err(error) => match (egress_denial(&error), retry) {
                (Some(refused), Some(request)) => self.dispatch_privately(sender, request, target, refused).await,
                _ => Err(target.transport_error(&error)),
            },
        }
    }

    /// Sends a request that the guard denied and that was not sent, if its sender has the addresses open. It builds a client for this
    /// request alone, which connects to the very addresses that were checked and shares no connection with another organisation.
    async fn dispatch_privately(
        &self,
        sender: &Sender<'_, impl PrivateNetworks>,
        request: Request,
        target: &Target,
        refused: &EgressDenial,
    ) -> Result<Response, EffectError> {
        let addresses = refused.private().ok_or_else(|| target.denied(refused))?;
        let open = sender.networks.private_ranges(sender.org).await.map_err(|error| ranges_error(target, &error))?;
        let host = request.url().host_str().unwrap_or_default();
        self.guard.egress.check(request.url(), &open).map_err(|refused| target.denied(&refused))?;
        self.guard.egress.check_resolved(host, addresses, &open).map_err(|_| target.denied(refused))?;
        let client = builder(FixedAddresses(addresses.to_vec()), self.source).build().map_err(|error| target.transport_error(&error))?;
        client.execute(request).await.map_err(|error| target.transport_error(&error))
    }
}

fn builder(resolver: impl Resolve + 'static, source: Option<IpAddr>) -> ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("quantum-runs/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .local_address(source)
        .dns_resolver(Arc::new(resolver))
        // A proxy would resolve names itself, without the guard.
        .no_proxy()
        // A redirect would send the flow's headers to a URL that the flow does not name.
        .redirect(redirect::Policy::none())
        // Attempts are counted and recorded by the engine.
        .retry(retry::never())
}

fn ranges_error(target: &Target, error: &PortError) -> EffectError {
    // The owner of the flow sees the step's error, so only the log gets the store's own message.
    tracing::warn!(%error, "the private ranges of an organisation could not be read");
    match error {
        PortError::Unavailable(_) => transient(target.describe("was not sent: what private networks are open could not be read just now")),
        PortError::Corrupt(_) | PortError::Rejected(_) => {
            permanent(target.describe("was not sent: what private networks are open cannot be read"))
        }
    }
}

async fn receive(mut response: Response, target: Target, credential: Option<&Credential>) -> Result<ReceivedResponse, EffectError> {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let received = |target, body| ReceivedResponse::new(target, status, headers, body, credential);
    let is_success = response.status().is_success();
    let most = if is_success { MAX_OUTPUT_BYTES } else { MAX_FAILURE_BYTES };
    if is_success && response.content_length().is_some_and(|bytes| bytes > most as u64) {
        return Err(too_large(&received(target, Vec::new())));
    }
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= most => body.extend_from_slice(&chunk),
            Ok(Some(_)) if is_success => return Err(too_large(&received(target, Vec::new()))),
            Ok(Some(chunk)) => {
                let room = most - body.len();
                body.extend(chunk.iter().take(room));
                break;
            }
            Err(error) if is_success => {
                let broken = target.transport_error(&error);
                return Err(EffectError { answer: Some(received(target, Vec::new()).head()), ..broken });
            }
            // The end, or an error page that broke off: its status is enough.
            Ok(None) | Err(_) => break,
        }
    }
    Ok(received(target, body))
}

fn too_large(received: &ReceivedResponse) -> EffectError {
    received.unusable(&format!(
        "its body is larger than {} MiB, the most an output may have; ask for less, or page through it",
        MAX_OUTPUT_BYTES / MEBIBYTE
    ))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use domain::ports::CallContext;
    use domain::time::Time;

    use super::*;
    use crate::egress::lookup::LookupFuture;

    /// Resolves every name to one address, and counts the lookups.
    #[derive(Debug)]
    struct FixedLookup(IpAddr, AtomicUsize);

    impl Lookup for FixedLookup {
        fn lookup(&self, _: &str) -> LookupFuture {
            self.1.fetch_add(1, Ordering::Relaxed);
            let address = self.0;
            Box::pin(async move { Ok(vec![address]) })
        }
    }

    /// One open range; an empty text is a store that does not answer.
    struct OpenRange(&'static str);

    impl PrivateNetworks for OpenRange {
        async fn private_ranges(&self, _: &OrgId) -> Result<Vec<PrivateRange>, PortError> {
            match self.0 {
                "" => Err(PortError::Unavailable("ORG#secret".to_owned())),
                range => Ok(vec![range.parse().unwrap()]),
            }
        }
    }

    /// Calls `url` for an organisation with this range open. Returns the error and the number of lookups. No packet leaves: from a
    /// loopback address the kernel connects to nothing else.
    async fn call(url: &str, address: &str, open: &'static str) -> (EffectError, usize) {
        let names = Arc::new(FixedLookup(address.parse().unwrap(), AtomicUsize::new(0)));
        let lookup: Arc<dyn Lookup> = names.clone();
        let client = Client::from_source(Egress::default(), lookup, Some(Ipv4Addr::LOCALHOST.into())).unwrap();
        let org = OrgId::new(Time::from_millis(1), 1);
        let context =
            CallContext { covered: Vec::new(), org, trace_id: "t".to_owned(), idempotency_key: "stp_1".to_owned(), timeout_seconds: 20 };
        let headers = BTreeMap::new();
        let call = StepRequest { method: "GET", url: url.parse().unwrap(), headers: &headers, credential: None, body: None };
        let error = client.send(&OpenRange(open), &Attempt::begin(&context), call).await.unwrap_err();
        (error, names.1.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn an_address_in_an_open_range_is_looked_up_once_and_connected_to() {
        let (error, lookups) = call("https://crm.internal/", "10.1.2.3", "10.1.0.0/16").await;
        assert!(error.retryable && error.message.starts_with("GET crm.internal/ could not be reached"), "{error}");
        assert_eq!(lookups, 1);
        let (error, lookups) = call("https://10.1.2.3/", "1.1.1.1", "10.1.0.0/16").await;
        assert!(error.retryable && error.message.starts_with("GET 10.1.2.3/ could not be reached"), "{error}");
        assert_eq!(lookups, 0);
    }

    #[tokio::test]
    async fn an_address_outside_an_open_range_is_not_connected_to() {
        for (url, address, open, lookups) in [
            ("https://crm.internal/", "10.2.2.3", "10.1.0.0/16", 1),
            ("https://crm.internal/", "::ffff:10.1.2.3", "10.1.0.0/16", 1),
            ("https://crm.internal/", "169.254.169.254", "10.1.0.0/16", 1),
            ("https://crm.internal/", "100.100.100.200", "100.64.0.0/10", 1),
            ("https://10.2.2.3/", "10.1.2.3", "10.1.0.0/16", 0),
        ] {
            let (error, asked) = call(url, address, open).await;
            assert!(!error.retryable && error.message.contains("was not sent"), "{url} {address}: {error}");
            assert_eq!(asked, lookups, "{url} {address}");
        }
    }

    #[tokio::test]
    async fn ranges_that_cannot_be_read_are_retried_and_the_store_s_message_is_not_shown() {
        let (error, _) = call("https://crm.internal/", "10.1.2.3", "").await;
        assert!(error.retryable && error.message.contains("just now") && !error.message.contains("secret"), "{error}");
        let (error, _) = call("https://crm.internal/", "127.0.0.1", "").await;
        assert!(!error.retryable, "no range is read for an address that can never be open: {error}");
    }
}
