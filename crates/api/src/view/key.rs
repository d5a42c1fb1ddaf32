//! API keys as their organisation sees them. The secret is shown once, in the response that creates the key.

use domain::access::{ApiKey, Caller, Environment, Secret};
use serde_json::{Value, json};

use crate::json_object::{set, without_nulls};

/// Returns a key without its secret.
pub fn api_key(key: &ApiKey) -> Value {
    without_nulls(json!({
        "id": key.id,
        "name": key.name,
        "scopes": key.grants.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "actor": key.actor.id,
        "roles": key.actor.roles,
        "teams": key.actor.teams,
        "readsPerMinute": key.limits.reads,
        "writesPerMinute": key.limits.writes,
        "createdAt": key.id.created_at(),
        "createdBy": key.created_by,
        "expiresAt": key.valid_until,
        "lastUsedAt": key.last_used_at,
        "revokedAt": key.revoked.as_ref().map(|revocation| revocation.at),
        "revokedBy": key.revoked.as_ref().map(|revocation| &revocation.by),
    }))
}

/// Returns a new key with its secret. No other response contains it.
pub fn new_api_key(key: &ApiKey, secret: &Secret) -> Value {
    let mut view = api_key(key);
    set(&mut view, "key", secret.reveal().into());
    view
}

/// Returns the caller: its organisation and its environment, and its key without the secret, if it was a key.
pub fn caller(caller: &Caller) -> Value {
    let environment = match caller.environment {
        Environment::Sandbox => "sandbox",
        Environment::Live => "live",
    };
    without_nulls(json!({"orgId": caller.org, "environment": environment, "apiKey": caller.key().map(api_key)}))
}
