//! Who calls, and what a caller may do: keys, scopes, actors and limits.

mod actor;
mod caller;
mod limit;
mod new_key;
mod secret;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{KeyId, OrgId};
use crate::time::Time;

pub use actor::{ADMIN_TOOL, Actor, Identity, KeyIdentity, Login, RecordedActor};
pub use caller::{Caller, Credential};
pub use limit::{Bucket, Class, Limits, Minute, OwnLimits, Usage};
pub use new_key::{BadActor, NewKey, parse_actor};
pub(crate) use secret::base32;
pub use secret::{BadSecret, Environment, SECRET_MARK, Secret};

/// What an endpoint requires of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// See flows.
    FlowsRead,
    /// Create and change flows.
    FlowsWrite,
    /// See runs and approvals.
    RunsRead,
    /// Start, decide and cancel runs.
    RunsWrite,
    /// See service connections.
    ConnectionsRead,
    /// Register and delete service connections.
    ConnectionsWrite,
    /// Manage outbound webhooks.
    WebhooksManage,
    /// Manage keys and the organisation.
    ApiManage,
    /// See approvals and decide them, and nothing else.
    ApprovalsDecide,
    /// Make keys for other actors, and manage how people sign in.
    ActorsManage,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 10] = [
        Self::FlowsRead,
        Self::FlowsWrite,
        Self::RunsRead,
        Self::RunsWrite,
        Self::ConnectionsRead,
        Self::ConnectionsWrite,
        Self::WebhooksManage,
        Self::ApiManage,
        Self::ApprovalsDecide,
        Self::ActorsManage,
    ];

    /// Returns the name of the scope in the public contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::FlowsRead => "flows:read",
            Self::FlowsWrite => "flows:write",
            Self::RunsRead => "runs:read",
            Self::RunsWrite => "runs:write",
            Self::ConnectionsRead => "service-connections:read",
            Self::ConnectionsWrite => "service-connections:write",
            Self::WebhooksManage => "webhooks:manage",
            Self::ApiManage => "api:manage",
            Self::ApprovalsDecide => "approvals:decide",
            Self::ActorsManage => "actors:manage",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A scope as a caller holds it: a single scope, or an old wildcard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    /// Exactly this scope.
    One(Scope),
    /// `read`: every `…:read`.
    Read,
    /// `write`: every `…:write`.
    Write,
}

impl Grant {
    fn allows(self, scope: Scope) -> bool {
        match (self, scope) {
            // Whoever may start and cancel runs has always been allowed to decide them.
            (Self::One(Scope::RunsWrite) | Self::Write, Scope::ApprovalsDecide) => true,
            (Self::One(granted), _) => granted == scope,
            (Self::Read, _) => scope.name().ends_with(":read"),
            (Self::Write, _) => scope.name().ends_with(":write"),
        }
    }

    /// Returns the scopes that the grant covers.
    pub fn scopes(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.allows(*scope))
    }
}

/// The error for a text that is not a scope.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown scope `{0}`")]
pub struct UnknownScope(String);

impl FromStr for Grant {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        match text {
            "read" => Ok(Self::Read),
            "write" => Ok(Self::Write),
            _ => Scope::ALL.into_iter().find(|scope| scope.name() == text).map(Self::One).ok_or_else(|| UnknownScope(text.to_owned())),
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One(scope) => scope.name(),
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// Who may decide a gate: `role:…`, `user:…` or `team:…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Assignee {
    /// Every actor with the role.
    Role(String),
    /// One actor.
    User(String),
    /// Every actor in the team.
    Team(String),
}

impl Assignee {
    /// Returns whether the assignee includes `actor`.
    pub fn includes(&self, actor: &Actor) -> bool {
        match self {
            Self::Role(role) => actor.roles.contains(role),
            Self::User(id) => actor.id == *id,
            Self::Team(team) => actor.teams.contains(team),
        }
    }
}

/// The error for a text that is not an assignee.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must be `role:…`, `user:…` or `team:…`, not `{0}`")]
pub struct BadAssignee(String);

impl FromStr for Assignee {
    type Err = BadAssignee;

    fn from_str(text: &str) -> Result<Self, BadAssignee> {
        match text.split_once(':') {
            Some((_, "")) | None => Err(BadAssignee(text.to_owned())),
            Some(("role", name)) => Ok(Self::Role(name.to_owned())),
            Some(("user", name)) => Ok(Self::User(name.to_owned())),
            Some(("team", name)) => Ok(Self::Team(name.to_owned())),
            Some(_) => Err(BadAssignee(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Assignee {
    type Error = BadAssignee;
    fn try_from(text: String) -> Result<Self, BadAssignee> {
        text.parse()
    }
}

impl From<Assignee> for String {
    fn from(assignee: Assignee) -> Self {
        assignee.to_string()
    }
}

impl fmt::Display for Assignee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(name) => write!(f, "role:{name}"),
            Self::User(name) => write!(f, "user:{name}"),
            Self::Team(name) => write!(f, "team:{name}"),
        }
    }
}

/// An API key as it is stored. The secret itself is not stored: keys are found by its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The id, which names the key in lists and logs.
    pub id: KeyId,
    /// The only organisation that the key gives access to.
    pub org: OrgId,
    /// The name that people use.
    pub name: String,
    /// The actor of requests with this key. Its identity is that of the key.
    pub actor: Actor,
    /// What the key may do.
    pub grants: BTreeSet<Grant>,
    /// The limits that the key has instead of the common ones.
    pub limits: OwnLimits,
    /// The actor who created it, or the tool that did.
    pub created_by: String,
    /// The keys that it descends from, the first one first: the last of them made it. It is revoked with each of them. A key that a person
    /// or the tool made has none, and neither has one that was made before this was kept.
    pub ancestors: Vec<KeyId>,
    /// The time from which the key is refused.
    pub valid_until: Option<Time>,
    /// The revocation. A revoked key stays revoked.
    pub revoked: Option<Revocation>,
    /// The hour of the last use.
    pub last_used_at: Option<Time>,
}

/// The revocation of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The time from which the key is refused.
    pub at: Time,
    /// The actor who revoked it, or one of the keys that it descends from.
    pub by: String,
}

impl ApiKey {
    /// Returns whether the key works at `now`.
    pub fn is_valid(&self, now: Time) -> bool {
        self.revoked.is_none() && self.valid_until.is_none_or(|until| now < until)
    }

    /// Returns whether the key has a scope.
    pub fn allows(&self, scope: Scope) -> bool {
        self.grants.iter().any(|grant| grant.allows(scope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(grants: &[&str]) -> ApiKey {
        let id = KeyId::new(Time::from_millis(0), 1);
        let identity = Identity::ApiKey(KeyIdentity { key_id: id, key_name: "test".into(), key_created_by: "usr_root".into() });
        ApiKey {
            id,
            org: OrgId::new(Time::from_millis(0), 1),
            name: "test".into(),
            actor: Actor {
                id: "usr_ada".into(),
                roles: ["lead".into()].into(),
                teams: ["pay".into()].into(),
                principals: ["usr_ada".into()].into(),
                identity,
            },
            grants: grants.iter().map(|text| text.parse().unwrap()).collect(),
            limits: OwnLimits::default(),
            created_by: "usr_root".into(),
            ancestors: Vec::new(),
            valid_until: None,
            revoked: None,
            last_used_at: None,
        }
    }

    #[test]
    fn every_scope_is_granted_by_its_name_and_by_its_wildcard_only() {
        for scope in Scope::ALL {
            assert!(key(&[scope.name()]).allows(scope));
            assert_eq!(key(&["read"]).allows(scope), scope.name().ends_with("read"));
            let decides = scope == Scope::ApprovalsDecide;
            assert_eq!(key(&["write"]).allows(scope), scope.name().ends_with("write") || decides);
            for other in Scope::ALL.into_iter().filter(|other| *other != scope) {
                let includes = (scope, other) == (Scope::RunsWrite, Scope::ApprovalsDecide);
                assert_eq!(key(&[scope.name()]).allows(other), includes, "{scope} for {other}");
            }
        }
        assert!("flows".parse::<Grant>().is_err());
    }

    #[test]
    fn a_key_ends_when_it_expires_or_is_revoked() {
        let noon = Time::from_millis(1000);
        let mut key = key(&["read"]);
        assert!(key.is_valid(noon));
        key.valid_until = Some(noon);
        assert!(!key.is_valid(noon));
        key.valid_until = None;
        key.revoked = Some(Revocation { at: Time::from_millis(1), by: "usr_ada".into() });
        assert!(!key.is_valid(noon));
    }

    #[test]
    fn assignees_match_by_role_user_or_team() {
        let actor = key(&[]).actor;
        for (text, included) in [
            ("role:lead", true),
            ("role:pay", false),
            ("user:usr_ada", true),
            ("user:lead", false),
            ("team:pay", true),
            ("team:lead", false),
        ] {
            assert_eq!(text.parse::<Assignee>().unwrap().includes(&actor), included, "{text}");
        }
        for bad in ["lead", "role:", "group:x", ""] {
            assert!(bad.parse::<Assignee>().is_err(), "{bad}");
        }
    }
}
