//! Endpoints are made, changed and deleted.

use domain::fault::Fault;
use domain::id::{EndpointId, OrgId};
use domain::ports::{CommitError, PortError, Vault, WebhookEndpoints};
use domain::secret::Sealed;
use domain::secret::new_signing_secret;
use domain::webhook::{Endpoint, Endpoints};
use secrecy::SecretString;

/// How often a change is thought through again because the endpoints changed under it.
const MAX_TRIES: usize = 100;

/// A new secret for an endpoint, in clear for whoever asked, and sealed for the place where it is kept.
pub async fn made(vault: &impl Vault, org: &OrgId, id: &EndpointId, random: [u128; 2]) -> Result<(SecretString, Sealed), PortError> {
    let secret = new_signing_secret(random);
    let sealed = vault.seal(&Endpoint::secret_place(org, id), &secret).await?;
    Ok((secret, sealed))
}

/// Changes the endpoints of an organisation, on what is there when it is written.
pub async fn changed<T>(
    webhooks: &impl WebhookEndpoints,
    org: &OrgId,
    change: impl Fn(&mut Endpoints) -> Result<T, Fault>,
) -> Result<T, Fault> {
    for _ in 0..MAX_TRIES {
        let mut endpoints = webhooks.endpoints(org).await?;
        let done = change(&mut endpoints)?;
        match webhooks.put_endpoints(endpoints).await {
            Ok(_) => return Ok(done),
            Err(CommitError::Changed) => {}
            Err(CommitError::Port(error)) => return Err(error.into()),
        }
    }
    Err(PortError::Unavailable(format!("the webhooks changed {MAX_TRIES} times while this was being decided")).into())
}
