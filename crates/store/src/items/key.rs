//! The items of an API key: the key itself, found by the hash of its secret, and its entry in the collection of its organisation.

use std::collections::BTreeSet;

use domain::access::{Actor, ApiKey, Identity, KeyIdentity, Minute, OwnLimits, Revocation};
use domain::id::{KeyId, OrgId};
use domain::ports::PortError;
use domain::time::Time;
use serde::{Deserialize, Serialize};

use crate::error::corrupt;
use crate::{Item, keys};

/// A key. The item also has the counters of the key, one attribute for each bucket and minute; see [`counter`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyItem {
    pk: String,
    sk: String,
    id: KeyId,
    org: OrgId,
    name: String,
    actor: String,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    roles: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    teams: BTreeSet<String>,
    scopes: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reads_a_minute: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    writes_a_minute: Option<u32>,
    created_by: String,
    /// Only if they are more than the actor and `createdBy`: the maker of the key was a key made for another name itself.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    principals: BTreeSet<String>,
    /// The keys that it descends from. Items of earlier versions do not have it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ancestors: Vec<KeyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    used_at: Option<Time>,
}

impl KeyItem {
    pub(crate) fn of(key: &ApiKey, secret_sha256: &str) -> Self {
        Self {
            pk: keys::api_key(secret_sha256),
            sk: keys::KEY.to_owned(),
            id: key.id,
            org: key.org,
            name: key.name.clone(),
            actor: key.actor.id.clone(),
            roles: key.actor.roles.clone(),
            teams: key.actor.teams.clone(),
            scopes: key.grants.iter().map(ToString::to_string).collect(),
            reads_a_minute: key.limits.reads,
            writes_a_minute: key.limits.writes,
            created_by: key.created_by.clone(),
            principals: Some(&key.actor.principals)
                .filter(|principals| **principals != Actor::principals_of_key(&key.actor.id, &key.created_by))
                .cloned()
                .unwrap_or_default(),
            ancestors: key.ancestors.clone(),
            valid_until: key.valid_until,
            revoked_at: key.revoked.as_ref().map(|revocation| revocation.at),
            revoked_by: key.revoked.as_ref().map(|revocation| revocation.by.clone()),
            used_at: key.last_used_at,
        }
    }

    pub(crate) fn into_key(self) -> Result<ApiKey, PortError> {
        let identity = KeyIdentity { key_id: self.id, key_name: self.name.clone(), key_created_by: self.created_by.clone() };
        let principals = if self.principals.is_empty() { Actor::principals_of_key(&self.actor, &self.created_by) } else { self.principals };
        let identity = Identity::ApiKey(identity);
        Ok(ApiKey {
            id: self.id,
            org: self.org,
            name: self.name,
            actor: Actor { id: self.actor, roles: self.roles, teams: self.teams, principals, identity },
            grants: self.scopes.iter().map(|scope| scope.parse().map_err(corrupt)).collect::<Result<_, _>>()?,
            limits: OwnLimits { reads: self.reads_a_minute, writes: self.writes_a_minute },
            created_by: self.created_by,
            ancestors: self.ancestors,
            valid_until: self.valid_until,
            revoked: self.revoked_at.map(|at| Revocation { at, by: self.revoked_by.unwrap_or_default() }),
            last_used_at: self.used_at,
        })
    }
}

const COUNTER: &str = "count#";

/// Returns the name of the attribute that counts the requests of a bucket in a minute, for example `count#29384756#runs.write`. No index
/// projects it.
pub(crate) fn counter(minute: Minute, bucket: impl std::fmt::Display) -> String {
    format!("{COUNTER}{}#{bucket}", minute.number())
}

/// Returns the names of the counters whose minutes are long over.
pub(crate) fn old_counters(item: &Item, now: Minute) -> Vec<String> {
    let is_old = |name: &&String| {
        let minute = name.strip_prefix(COUNTER).and_then(|rest| rest.split('#').next()).and_then(|number| number.parse().ok());
        minute.is_some_and(|number| now.is_long_after(Minute::from_number(number)))
    };
    item.keys().filter(is_old).cloned().collect()
}

/// The entry of a key in the collection of its organisation. It says where the key is, and nothing that could change.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyEntry {
    pk: String,
    pub(crate) sk: String,
    pub(crate) secret_sha256: String,
}

impl KeyEntry {
    pub(crate) fn of(key: &ApiKey, secret_sha256: &str) -> Self {
        Self { pk: keys::api_keys(&key.org), sk: key.id.to_string(), secret_sha256: secret_sha256.to_owned() }
    }
}
