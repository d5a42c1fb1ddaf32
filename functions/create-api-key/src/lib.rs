//! `POST /api/api-keys`: makes a key, and shows it this once.

use api::{ApiError, Call, Endpoint, Reply, under, view};
use domain::access::{NewKey, Scope, Secret};
use domain::id::KeyId;
use domain::ports::{ApiKeys, Clock, CommitError, Entropy, PortError};

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint { name: "create-api-key", method: "POST", path: "/api/api-keys", scope: Scope::ApiManage };

/// The most bytes the body may have: names of roles and teams are the most of it.
const MAX_BYTES: usize = 16 * 1024;

/// 201 with the key and its secret, `key`; only its hash is kept. 400 with every problem at its field; 422 if a scope is asked for
/// that the caller's own key does not have. The new key is for the caller's organisation, and sandbox or live as the caller's is.
pub async fn handle(ring: &impl ApiKeys, clock: &impl Clock, entropy: &impl Entropy, call: Call) -> Result<Reply, ApiError> {
    let now = clock.now();
    let new = NewKey::parse(&call.json_object(MAX_BYTES)?, now)?;
    let key = new.made_by(&call.key, KeyId::new(now, entropy.random()))?;
    let secret = Secret::new(call.environment, [entropy.random(), entropy.random()]);
    match ring.create_key(&key, &secret.sha256()).await {
        Ok(()) => Ok(Reply::created(under("apiKey", view::new_api_key(&key, &secret)))),
        // Random numbers have repeated themselves. The next ones will do; those of another key must not.
        Err(CommitError::Changed) => Err(PortError::Unavailable(format!("{} or its secret is taken", key.id)).into()),
        Err(CommitError::Port(error)) => Err(error.into()),
    }
}
