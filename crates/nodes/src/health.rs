//! Health checks of service connections: whether the service answers, and accepts its key.

use std::time::Duration;

use domain::connection::{Connection, HealthPath};
use domain::id::OrgId;
use domain::network::PrivateNetworks;
use domain::ports::{PortError, Vault};
use secrecy::ExposeSecret;
use url::Url;

use crate::http::credential::Credential;
use crate::node::service_call::join_below;
use crate::outbound::{Outbound, OutboundRequest};

/// A service that takes longer is not healthy; and the caller of a check is waiting.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Whether the service can be called through the connection.
    pub healthy: bool,
    /// The HTTP status of the response, if there was one.
    pub status: Option<u16>,
    /// The time until the response, in milliseconds.
    pub latency_ms: Option<u64>,
    /// What is wrong, for the person who registered the connection.
    pub error: Option<String>,
}

impl Health {
    fn unhealthy(error: String) -> Self {
        Self { healthy: false, status: None, latency_ms: None, error: Some(error) }
    }
}

/// Calls the service with its key: `GET` of the health path, where only a 2xx is healthy, or else of the base URL. Few services have
/// a resource there, so then every response is healthy that does not refuse the key or the call (401, 403, 407, 429) and is no 5xx.
///
/// Fails if the vault or the table did not answer, which says nothing about the service.
pub async fn check_health(
    outbound: &Outbound,
    networks: &impl PrivateNetworks,
    vault: &impl Vault,
    org: &OrgId,
    connection: &Connection,
) -> Result<Health, PortError> {
    let credential = match &connection.key {
        None => None,
        Some(key) => match vault.open(&Connection::place(org, &connection.slug), &key.sealed).await {
            Ok(opened) => Some(Credential::new(&key.carrier, opened)),
            Err(PortError::Corrupt(why)) => {
                tracing::warn!(%why, connection = %connection.id, "the key of a service connection could not be decrypted");
                return Ok(Health::unhealthy("the key of the connection cannot be decrypted; register it again".to_owned()));
            }
            Err(unavailable) => return Err(unavailable),
        },
    };
    let Some(url) = url(connection) else { return Ok(Health::unhealthy("the base URL is not an absolute URL".to_owned())) };
    let header = credential.as_ref().map(|credential| (credential.header.as_str(), credential.value.expose_secret()));
    let headers: Vec<_> = header.into_iter().collect();
    let request =
        OutboundRequest { org, method: "GET", url: url.as_str(), headers: &headers, body: &[], timeout: TIMEOUT, max_reply_bytes: 0 };
    Ok(match outbound.send(networks, request).await {
        Ok(reply) => {
            let error = problem(reply.status, connection.health_path.as_ref());
            Health { healthy: error.is_none(), status: Some(reply.status), latency_ms: Some(reply.millis), error }
        }
        Err(error) => Health::unhealthy(error.message),
    })
}

fn url(connection: &Connection) -> Option<Url> {
    let base = Url::parse(&connection.base_url).ok().filter(Url::has_host)?;
    match &connection.health_path {
        Some(path) => join_below(&base, path.as_str()).ok(),
        None => Some(base),
    }
}

/// What is wrong with a service that answers with this status.
fn problem(status: u16, path: Option<&HealthPath>) -> Option<String> {
    match (status, path) {
        (401 | 403 | 407, _) => Some(format!("the service refuses the key: it answered {status}")),
        (429, _) => Some("the service refuses more calls for now: it answered 429".to_owned()),
        (200..300, _) => None,
        (_, Some(path)) => Some(format!("the service answered {status} to GET {path}, not with a 2xx")),
        (500.., None) => Some(format!("the service answered {status}")),
        (_, None) => None,
    }
}
