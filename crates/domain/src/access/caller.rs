//! The caller of an endpoint, as admission gives it to the handler.

use std::collections::BTreeSet;

use super::{Actor, ApiKey, Environment, Grant, OwnLimits, Scope};
use crate::id::OrgId;

/// A caller who was admitted, whatever its credential is.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    /// The only organisation that the caller has access to.
    pub org: OrgId,
    /// The actor.
    pub actor: Actor,
    /// What the caller may do.
    pub grants: BTreeSet<Grant>,
    /// The limits that the caller has instead of the common ones.
    pub limits: OwnLimits,
    /// The environment of the credential. Keys that the caller makes are for the same environment.
    pub environment: Environment,
    /// The credential.
    pub credential: Credential,
}

/// What the caller has sent to be admitted.
#[derive(Debug, Clone, PartialEq)]
pub enum Credential {
    /// A key.
    Key(Box<ApiKey>),
}

impl Caller {
    /// Returns the caller who has sent `key`.
    pub fn of_key(key: ApiKey, environment: Environment) -> Self {
        Self {
            org: key.org,
            actor: key.actor.clone(),
            grants: key.grants.clone(),
            limits: key.limits,
            environment,
            credential: Credential::Key(Box::new(key)),
        }
    }

    /// Returns whether the caller has a scope.
    pub fn allows(&self, scope: Scope) -> bool {
        self.grants.iter().any(|grant| grant.allows(scope))
    }

    /// Returns the key that the caller has sent, if it was a key.
    pub fn key(&self) -> Option<&ApiKey> {
        match &self.credential {
            Credential::Key(key) => Some(key),
        }
    }
}
