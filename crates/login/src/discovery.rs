//! What an identity provider says of itself (OpenID Connect Discovery 1.0).

use domain::id::OrgId;
use domain::login::Discovered;
use domain::network::PrivateNetworks;
use domain::ports::PortError;
use serde_json::Value;

use crate::web::{Web, WebError};

/// Why a provider cannot be registered.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The provider, or its document, is of no use; the text says why.
    #[error("{0}")]
    Unusable(String),
    /// A port failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// Reads the discovery document of an issuer. Fails if it is not there, names another issuer, or lacks an endpoint that we need.
pub async fn discover(web: &Web, networks: &impl PrivateNetworks, org: &OrgId, issuer: &str) -> Result<Discovered, DiscoveryError> {
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let document = web.get(networks, org, &url).await.map_err(|error| match error {
        WebError::Port(error) => DiscoveryError::Port(error),
        why => DiscoveryError::Unusable(format!("the document at {url} was not read: {why}")),
    })?;
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    if text("issuer") != Some(issuer) {
        let found = text("issuer").unwrap_or("none").chars().take(200).collect::<String>();
        return Err(DiscoveryError::Unusable(format!("the document at {url} is of another issuer: {found}")));
    }
    let endpoint = |name: &str| {
        let url = text(name).ok_or_else(|| DiscoveryError::Unusable(format!("the document at {url} has no {name}")))?;
        match web.url_problem(url).filter(|_| url.len() <= 2_000) {
            None => Ok(url.to_owned()),
            Some(why) => Err(DiscoveryError::Unusable(format!("the {name} of the provider cannot be used: {why}"))),
        }
    };
    Ok(Discovered {
        authorization_endpoint: endpoint("authorization_endpoint")?,
        token_endpoint: endpoint("token_endpoint")?,
        jwks_uri: endpoint("jwks_uri")?,
    })
}
