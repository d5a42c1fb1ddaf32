//! Endpoints are created, changed and deleted.

use domain::error::ApplicationError;
use domain::id::{EndpointId, OrgId};
use domain::ports::{CommitError, Entropy, PortError, Vault, WebhookEndpoints};
use domain::secret::Sealed;
use domain::secret::new_signing_secret;
use domain::webhook::{Endpoint, Endpoints, NewEndpoint, NewTarget, Target};
use secrecy::SecretString;

/// The number of times that a change is applied before it gives up, because another writer changed the endpoints meanwhile.
const MAX_TRIES: usize = 100;

/// Makes a new secret for an endpoint. Returns it in clear, for the caller, and sealed for the place where it is stored.
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

/// Makes an endpoint, with everything about it that is a secret sealed for it. Returns it with its new secret in clear, for the caller, if its
/// deliveries are signed.
pub async fn create_endpoint(
    vault: &impl Vault,
    entropy: &impl Entropy,
    org: &OrgId,
    id: EndpointId,
    new: NewEndpoint,
    created_by: &str,
) -> Result<(Endpoint, Option<SecretString>), PortError> {
    let (target, secret) = match &new.target {
        NewTarget::Webhook(url) => {
            let (secret, sealed) = create_secret(vault, org, &id, [entropy.random(), entropy.random()]).await?;
            (Target::Webhook { url: url.clone(), secret: sealed }, Some(secret))
        }
        NewTarget::Slack(url) => {
            let sealed = vault.seal(&Endpoint::secret_place(org, &id), &SecretString::from(url.as_str())).await?;
            (Target::slack(url, sealed), None)
        }
        NewTarget::Email(to) => (Target::Email { to: to.clone() }, None),
    };
    Ok((new.made(id, target, created_by), secret))
}

/// Applies `change` to the endpoints of an organisation as they are when they are written. Returns what `change` returned.
///
/// A write that is refused may be our own, whose first answer was lost. Therefore what is already as it should be is not written again,
/// and `NotFound` after a refused write counts as done.
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
    Err(PortError::Unavailable(format!("the webhooks changed {MAX_TRIES} times while they were being updated")).into())
}
