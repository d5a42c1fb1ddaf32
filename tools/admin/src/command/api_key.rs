//! `create-key`.

use std::collections::BTreeSet;
use std::error::Error;

use domain::access::{ADMIN_TOOL, Actor, ApiKey, Environment, Grant, Identity, KeyIdentity, OwnLimits, Scope, Secret};
use domain::id::KeyId;
use domain::ports::{ApiKeys as _, Entropy as _, Organisations as _};
use domain::time::Time;
use runtime::OsEntropy;
use store::Table;

use crate::cli::KeyOptions;

/// Creates a key and returns it.
pub async fn create(table: &Table, options: KeyOptions, now: Time) -> Result<String, Box<dyn Error>> {
    let environment = if options.environment == "live" { Environment::Live } else { Environment::Sandbox };
    let secret = Secret::new(environment, [OsEntropy.random(), OsEntropy.random()]);
    let id = KeyId::new(now, OsEntropy.random());
    let identity = KeyIdentity { key_id: id, key_name: options.name.clone(), key_created_by: ADMIN_TOOL.to_owned() };
    let key = ApiKey {
        id,
        org: options.org,
        name: options.name,
        actor: Actor {
            principals: Actor::principals_of_key(&options.actor, ADMIN_TOOL),
            id: options.actor,
            roles: options.roles.into_iter().collect(),
            teams: options.teams.into_iter().collect(),
            identity: Identity::ApiKey(identity),
        },
        grants: grants(options.scopes),
        limits: OwnLimits { reads: options.reads_per_minute, writes: options.writes_per_minute },
        created_by: ADMIN_TOOL.to_owned(),
        ancestors: Vec::new(),
        valid_until: options.expires_at,
        revoked: None,
        last_used_at: None,
    };
    // An organisation that is older than its record gets one.
    table.cursor_secret(&key.org).await?;
    table.create_key(&key, &secret.sha256()).await?;
    Ok(secret.reveal().to_owned())
}

/// The scopes of the key: all if none were chosen.
fn grants(chosen: Vec<Grant>) -> BTreeSet<Grant> {
    if chosen.is_empty() { Scope::ALL.into_iter().map(Grant::One).collect() } else { chosen.into_iter().collect() }
}
