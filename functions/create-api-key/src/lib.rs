//! `POST /api/api-keys`: creates a key and shows its secret once.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, named, view};
use domain::access::{Credential, NewKey, Scope, Secret};
use domain::id::KeyId;
use domain::ports::{ApiKeys, Clock, CommitError, Entropy, PortError};

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "create-api-key", method: "POST", path: "/api/api-keys", scope: Some(Scope::ApiManage), query: &[] };

/// The maximum size of the body, in bytes. Most of it is for the names of roles and teams.
const MAX_BYTES: usize = 16 * 1024;

/// Returns 201 with the key and its secret in `key`; only a hash of the secret is stored. The new key belongs to the organisation and
/// the environment of the caller. If a key makes it, it expires with that key at the latest, has its limits, and is revoked with it. Fails
/// with 400 and every problem at its field, with 422 if the caller lacks a scope of the new key, and with 403 if the key is for another
/// actor, or has a role or a team that the caller lacks, and the caller does not have `actors:manage`.
pub async fn handle(keys: &impl ApiKeys, clock: &impl Clock, entropy: &impl Entropy, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let now = clock.now();
    let new = NewKey::parse(&request.json_object(MAX_BYTES)?, &request.caller.actor, now)?;
    let key = new.made_by(&request.caller, KeyId::new(now, entropy.random()))?;
    let secret = Secret::new(request.caller.environment, [entropy.random(), entropy.random()]);
    let (created, has_maker) = match &request.caller.credential {
        Credential::Key { secret_sha256, .. } => (keys.create_key_under(&key, &secret.sha256(), secret_sha256).await, true),
        Credential::Token | Credential::Session(_) => (keys.create_key(&key, &secret.sha256()).await, false),
    };
    match created {
        Ok(()) => Ok(ApiResponse::created(named("apiKey", view::new_api_key(&key, &secret)))),
        // The key that makes it has been revoked since it was admitted. That the random numbers repeat those of another key is as good as
        // impossible.
        Err(CommitError::Changed) if has_maker => Err(ApiError::Unauthenticated),
        // The random numbers repeated those of another key. The caller tries again and gets new ones.
        Err(CommitError::Changed) => Err(PortError::Unavailable(format!("{} or its secret is taken", key.id)).into()),
        Err(CommitError::Port(error)) => Err(error.into()),
    }
}
