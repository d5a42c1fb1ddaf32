//! The one HTTP client: what it sends, where to, and how much of an answer it reads.

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
use reqwest::header::HeaderMap;
use reqwest::{ClientBuilder, Method, Request, Response, redirect, retry};
use secrecy::ExposeSecret;
use serde_json::Value;
use url::Url;

use crate::attempt::Attempt;
use crate::credential::Credential;
use crate::egress::{Egress, EgressDenial};
use crate::failure::{Target, hopeless, passing, refusal};
use crate::guard::{Guard, Judged};
use crate::headers;
use crate::lookup::Lookup;
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
    /// For whatever needs no range opened. Organisations share its connections, and may: it reaches nothing that one of them may
    /// reach and another may not.
    shared: reqwest::Client,
    guard: Guard,
    /// Where connections come from; a test that must not reach any network gives an address that leads nowhere.
    source: Option<IpAddr>,
}

/// One request.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: Url,
    pub(crate) headers: &'a BTreeMap<String, String>,
    /// Over the headers; struck out of whatever is kept of the answer.
    pub(crate) credential: Option<&'a Credential>,
    pub(crate) body: Option<&'a Value>,
}

/// Whose request it is: what is open to them counts.
pub(crate) struct Sender<'a, N> {
    pub(crate) org: &'a OrgId,
    pub(crate) networks: &'a N,
}

/// For the deployment's own URLs: nothing is open.
pub(crate) struct NothingOpen;

impl PrivateNetworks for NothingOpen {
    async fn private_ranges(&self, _: &OrgId) -> Result<Vec<PrivateRange>, PortError> {
        Ok(Vec::new())
    }
}

impl Client {
    pub(crate) fn new(egress: Egress, lookup: Arc<dyn Lookup>) -> Result<Self, ClientError> {
        Self::from_source(egress, lookup, None)
    }

    fn from_source(egress: Egress, lookup: Arc<dyn Lookup>, source: Option<IpAddr>) -> Result<Self, ClientError> {
        // Fails if a provider is installed already, which is then as good as ours.
        _ = rustls::crypto::ring::default_provider().install_default();
        let guard = Guard { egress, lookup };
        let shared = builder(guard.clone(), source).build().map_err(ClientError)?;
        Ok(Self { shared, guard, source })
    }

    /// Sends one request of a step, once, and reads the answer whatever its status.
    pub(crate) async fn send(
        &self,
        networks: &impl PrivateNetworks,
        attempt: &Attempt<'_>,
        call: Call<'_>,
    ) -> Result<Received, EffectError> {
        let credential = call.credential;
        let confidential = credential.map(|credential| credential.value.expose_secret());
        let target = Target::new(call.method, &call.url, headers::secrets(call.headers).chain(confidential));
        let method = Method::from_bytes(call.method.as_bytes()).map_err(|_| target.unusable("its method is not one of HTTP's"))?;
        let headers = headers::outgoing(attempt, call.headers, credential, call.body.is_some()).map_err(|why| target.unusable(&why))?;
        let request = self.request(method, call.url, headers, call.body.map(|body| canonical(body).into_bytes()), &target)?;
        let late = target.late(attempt.context.timeout_seconds.into());
        if attempt.is_over() {
            return Err(late);
        }
        let sender = Sender { org: &attempt.context.org, networks };
        let exchange = async {
            let response = self.dispatch(&sender, request, &target).await?;
            receive(response, target, credential).await
        };
        // One clock over everything: looking up the name, connecting, sending, reading to the end.
        tokio::time::timeout_at(attempt.until(), exchange).await.unwrap_or(Err(late))
    }

    /// A request that may be sent as it is, or if its sender has private networks open.
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
            return Err(target.refused(&refused));
        }
        let request = self.shared.request(method, url).headers(headers);
        let request = if let Some(body) = body { request.body(body) } else { request };
        request.build().map_err(|error| target.broken(&error))
    }

    /// Sends a request past the guard, and gives its answer as soon as that begins.
    pub(crate) async fn dispatch(
        &self,
        sender: &Sender<'_, impl PrivateNetworks>,
        request: Request,
        target: &Target,
    ) -> Result<Response, EffectError> {
        if let Err(refused) = self.guard.egress.check(request.url(), &[]) {
            return self.dispatch_privately(sender, request, target, &refused).await;
        }
        // A body of bytes can always be had again.
        let again = request.try_clone();
        match self.shared.execute(request).await {
            Ok(response) => Ok(response),
            Err(error) => match (refusal(&error), again) {
                (Some(refused), Some(request)) => self.dispatch_privately(sender, request, target, refused).await,
                _ => Err(target.broken(&error)),
            },
        }
    }

    /// Sends a request that was refused and has not left, if its sender has the addresses open. The client is one for this request:
    /// it connects to the very addresses that were judged, and no other organisation comes upon the connection in a pool.
    async fn dispatch_privately(
        &self,
        sender: &Sender<'_, impl PrivateNetworks>,
        request: Request,
        target: &Target,
        refused: &EgressDenial,
    ) -> Result<Response, EffectError> {
        let addresses = refused.private().ok_or_else(|| target.refused(refused))?;
        let open = sender.networks.private_ranges(sender.org).await.map_err(|error| unreadable(target, &error))?;
        let host = request.url().host_str().unwrap_or_default();
        self.guard.egress.check(request.url(), &open).map_err(|refused| target.refused(&refused))?;
        self.guard.egress.check_resolved(host, addresses, &open).map_err(|_| target.refused(refused))?;
        let client = builder(Judged(addresses.to_vec()), self.source).build().map_err(|error| target.broken(&error))?;
        client.execute(request).await.map_err(|error| target.broken(&error))
    }
}

fn builder(resolver: impl Resolve + 'static, source: Option<IpAddr>) -> ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("quantum-runs/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .local_address(source)
        .dns_resolver(Arc::new(resolver))
        // A proxy would resolve names itself, behind the guard's back.
        .no_proxy()
        // A redirect leads to a URL that nobody has approved, with our headers.
        .redirect(redirect::Policy::none())
        // Attempts are counted and recorded by the engine.
        .retry(retry::never())
}

fn unreadable(target: &Target, error: &PortError) -> EffectError {
    // The step is shown to the flow's owner, so what the store says of itself is for the log alone.
    tracing::warn!(%error, "the private ranges of an organisation could not be read");
    match error {
        PortError::Unavailable(_) => passing(target.said("was not sent: what private networks are open could not be read just now")),
        PortError::Corrupt(_) | PortError::Rejected(_) => {
            hopeless(target.said("was not sent: what private networks are open cannot be read"))
        }
    }
}

async fn receive(mut response: Response, target: Target, credential: Option<&Credential>) -> Result<Received, EffectError> {
    let status = response.status().as_u16();
    let mut headers = response.headers().clone();
    if let Some(credential) = credential {
        credential.strike_from_headers(&mut headers);
    }
    let mut received = Received { target, status, headers, body: Vec::new() };
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
                break;
            }
            Err(error) if fine => return Err(EffectError { answer: Some(received.answer()), ..received.target.broken(&error) }),
            // The end, or a failure: its status says enough, even if the page about it broke off.
            Ok(None) | Err(_) => break,
        }
    }
    if let Some(credential) = credential {
        credential.strike_from_body(&mut received.body);
    }
    Ok(received)
}

fn too_large(received: &Received) -> EffectError {
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
    use crate::lookup::Looking;

    /// Says that every name is at this address, and counts.
    #[derive(Debug)]
    struct At(IpAddr, AtomicUsize);

    impl Lookup for At {
        fn lookup(&self, _: &str) -> Looking {
            self.1.fetch_add(1, Ordering::Relaxed);
            let address = self.0;
            Box::pin(async move { Ok(vec![address]) })
        }
    }

    struct Open(&'static str);

    impl PrivateNetworks for Open {
        async fn private_ranges(&self, _: &OrgId) -> Result<Vec<PrivateRange>, PortError> {
            match self.0 {
                "" => Err(PortError::Unavailable("ORG#secret".to_owned())),
                range => Ok(vec![range.parse().unwrap()]),
            }
        }
    }

    /// What becomes of a call of `url` by somebody with this range open, and how often a name was looked up. No packet leaves: from
    /// loopback the kernel connects to nothing else.
    async fn call(url: &str, address: &str, open: &'static str) -> (EffectError, usize) {
        let names = Arc::new(At(address.parse().unwrap(), AtomicUsize::new(0)));
        let lookup: Arc<dyn Lookup> = names.clone();
        let client = Client::from_source(Egress::default(), lookup, Some(Ipv4Addr::LOCALHOST.into())).unwrap();
        let org = OrgId::new(Time::from_millis(1), 1);
        let context = CallContext { org, trace_id: "t".to_owned(), idempotency_key: "stp_1".to_owned(), timeout_seconds: 20 };
        let headers = BTreeMap::new();
        let call = Call { method: "GET", url: url.parse().unwrap(), headers: &headers, credential: None, body: None };
        let error = client.send(&Open(open), &Attempt::begin(&context), call).await.unwrap_err();
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
    async fn an_address_outside_of_it_is_not() {
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
    async fn what_cannot_be_read_just_now_is_tried_again_and_not_told() {
        let (error, _) = call("https://crm.internal/", "10.1.2.3", "").await;
        assert!(error.retryable && error.message.contains("just now") && !error.message.contains("secret"), "{error}");
        let (error, _) = call("https://crm.internal/", "127.0.0.1", "").await;
        assert!(!error.retryable, "nothing is asked for what is never open: {error}");
    }
}
