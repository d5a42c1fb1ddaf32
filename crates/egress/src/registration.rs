//! The check of a URL when it is registered.

use domain::id::OrgId;
use domain::network::PrivateNetworks;
use domain::ports::PortError;
use url::Url;

use crate::policy::Egress;

/// Why a URL cannot be registered.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// The URL is not allowed; the text says why.
    #[error("{0}")]
    NotAllowed(String),
    /// The private networks that are open could not be read.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl Egress {
    /// Parses a URL that is to be registered. Fails if the organisation's requests may not be sent to it, as far as the URL alone
    /// shows; what its name resolves to is checked whenever a request is sent.
    pub async fn check_url(self, networks: &impl PrivateNetworks, org: &OrgId, url: &str) -> Result<Url, UrlError> {
        let url =
            Url::parse(url).map_err(|why| UrlError::NotAllowed(format!("is no absolute URL such as https://api.example.com: {why}")))?;
        let Err(refused) = self.check(&url, &[]) else { return Ok(url) };
        if refused.private().is_some() && self.check(&url, &networks.private_ranges(org).await?).is_ok() {
            return Ok(url);
        }
        Err(UrlError::NotAllowed(refused.to_string()))
    }
}
