//! Endpoints are create_secret, changed and deleted.

use domain::error::ApplicationError;
use domain::id::{EndpointId, OrgId};
use domain::ports::{CommitError, PortError, Vault, WebhookEndpoints};
use domain::secret::Sealed;
use domain::secret::new_signing_secret;
use domain::webhook::{Endpoint, Endpoints};
use secrecy::SecretString;

/// How often a change is thought through again because the endpoints changed under it.
const MAX_TRIES: usize = 100;

/// A new secret for an endpoint, in clear for whoever asked, and sealed for the place where it is kept.
pub async fn create_secret(
    vault: &impl Vault,
    org: &OrgId,
    id: &EndpointId,
    random: [u128; 2],
) -> Result<(SecretString, Sealed), PortError> {
    let secret = new_signing_secret(random);
    let sealed = vault.seal(&Endpoint::secret_place(org, id), &secret).await?;
    Ok((secret, sealed))
}

/// Changes the endpoints of an organisation, on what is there when it is written. A write that was refused may be our own, whose first
/// answer was lost: what is already as it should be is not written again, and what is gone by then was taken away as it should be.
pub async fn update_endpoints<T>(
    webhooks: &impl WebhookEndpoints,
    org: &OrgId,
    change: impl Fn(&mut Endpoints) -> Result<T, ApplicationError>,
) -> Result<T, ApplicationError> {
    let mut refused = None;
    for _ in 0..MAX_TRIES {
        let before = webhooks.endpoints(org).await?;
        let mut endpoints = before.clone();
        let done = match (change(&mut endpoints), refused.take()) {
            (Err(ApplicationError::NotFound(_)), Some(done)) => return Ok(done),
            (done, _) => done?,
        };
        if endpoints == before {
            return Ok(done);
        }
        match webhooks.put_endpoints(endpoints).await {
            Ok(_) => return Ok(done),
            Err(CommitError::Changed) => refused = Some(done),
            Err(CommitError::Port(error)) => return Err(error.into()),
        }
    }
    Err(PortError::Unavailable(format!("the webhooks changed {MAX_TRIES} times while this was being decided")).into())
}
