//! The caller of an endpoint, as admission gives it to the handler.

use std::collections::BTreeSet;

use super::{Actor, ApiKey, Environment, Grant, OwnLimits, Scope, Secret};
use crate::id::OrgId;
use crate::login::{IdentityProvider, Person, Session};

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
    Key {
        /// The key.
        key: Box<ApiKey>,
        /// The SHA-256 of its secret in lower-case hex, under which it is stored.
        secret_sha256: String,
    },
    /// A token of the organisation's identity provider.
    Token,
    /// The cookie of a session.
    Session(Box<Session>),
}

impl Caller {
    /// Returns the caller who has sent `secret`, which is that of `key`.
    pub fn of_key(key: ApiKey, secret: &Secret) -> Self {
        Self {
            org: key.org,
            actor: key.actor.clone(),
            grants: key.grants.clone(),
            limits: key.limits,
            environment: secret.environment(),
            credential: Credential::Key { key: Box::new(key), secret_sha256: secret.sha256() },
        }
    }

    /// Returns the caller who has sent a token of `provider` that says this of a person.
    pub fn of_token(person: Person, provider: &IdentityProvider) -> Self {
        Self {
            org: provider.org,
            actor: person.actor,
            grants: person.grants,
            limits: OwnLimits::default(),
            environment: provider.environment,
            credential: Credential::Token,
        }
    }

    /// Returns the caller who has sent the cookie of a session.
    pub fn of_session(session: Session) -> Self {
        Self {
            org: session.org,
            actor: session.actor.clone(),
            grants: session.grants.clone(),
            limits: OwnLimits::default(),
            environment: session.environment,
            credential: Credential::Session(Box::new(session)),
        }
    }

    /// Returns whether the caller has a scope.
    pub fn allows(&self, scope: Scope) -> bool {
        self.grants.iter().any(|grant| grant.allows(scope))
    }

    /// Returns the key that the caller has sent, if it was a key.
    pub fn key(&self) -> Option<&ApiKey> {
        match &self.credential {
            Credential::Key { key, .. } => Some(key),
            Credential::Token | Credential::Session(_) => None,
        }
    }

    /// Returns the session of the caller, if there is one.
    pub fn session(&self) -> Option<&Session> {
        match &self.credential {
            Credential::Session(session) => Some(session),
            Credential::Token | Credential::Key { .. } => None,
        }
    }
}
