//! The items of a session: the session itself, found by the hash of its secret, and its entry in the collection of its organisation. Both
//! expire with it.

use std::collections::BTreeSet;

use domain::access::{Actor, Environment, Identity};
use domain::id::{OrgId, SessionId};
use domain::login::Session;
use domain::ports::PortError;
use domain::time::Time;
use serde::{Deserialize, Serialize};

use crate::error::corrupt;
use crate::keys;

/// A session. The item also has its counters, as that of a key does.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionItem {
    pk: String,
    sk: String,
    id: SessionId,
    org: OrgId,
    actor: String,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    roles: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    teams: BTreeSet<String>,
    identity: Identity,
    scopes: BTreeSet<String>,
    live: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    used_at: Time,
    idle_until: Time,
    valid_until: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at: Option<Time>,
    /// The time to live, in seconds since the Unix epoch.
    expires_at: u64,
}

impl SessionItem {
    pub(crate) fn of(session: &Session, secret_sha256: &str) -> Self {
        Self {
            pk: keys::session(secret_sha256),
            sk: keys::SESSION.to_owned(),
            id: session.id,
            org: session.org,
            actor: session.actor.id.clone(),
            roles: session.actor.roles.clone(),
            teams: session.actor.teams.clone(),
            identity: session.actor.identity.clone(),
            scopes: session.grants.iter().map(ToString::to_string).collect(),
            live: session.environment == Environment::Live,
            user_agent: session.user_agent.clone(),
            used_at: session.last_used_at,
            idle_until: session.idle_until,
            valid_until: session.valid_until,
            ended_at: session.ended_at,
            expires_at: session.valid_until.seconds(),
        }
    }

    pub(crate) fn into_session(self) -> Result<Session, PortError> {
        let principals = [self.actor.clone()].into();
        Ok(Session {
            id: self.id,
            org: self.org,
            actor: Actor { id: self.actor, roles: self.roles, teams: self.teams, principals, identity: self.identity },
            grants: self.scopes.iter().map(|scope| scope.parse().map_err(corrupt)).collect::<Result<_, _>>()?,
            environment: if self.live { Environment::Live } else { Environment::Sandbox },
            user_agent: self.user_agent,
            last_used_at: self.used_at,
            idle_until: self.idle_until,
            valid_until: self.valid_until,
            ended_at: self.ended_at,
        })
    }
}

/// The entry of a session in the collection of its organisation. It is deleted when the session is ended.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionEntry {
    pk: String,
    pub(crate) sk: String,
    pub(crate) secret_sha256: String,
    expires_at: u64,
}

impl SessionEntry {
    pub(crate) fn of(session: &Session, secret_sha256: &str) -> Self {
        Self {
            pk: keys::sessions(&session.org),
            sk: session.id.to_string(),
            secret_sha256: secret_sha256.to_owned(),
            expires_at: session.valid_until.seconds(),
        }
    }
}
