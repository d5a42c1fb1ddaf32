//! Actors: who acts, how that is known, and when two actors are one person.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::id::KeyId;
use crate::time::Time;

/// The tool that creates keys outside of the API. It is the maker of such a key, and nobody's principal: it stands for no person.
pub const ADMIN_TOOL: &str = "runs-admin";

/// How it is known who an actor is. Records keep it beside the actor's id. What is stored and what callers see are the same JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "camelCase")]
pub enum Identity {
    /// A person has signed in at the organisation's identity provider.
    Login(Login),
    /// A key was sent.
    ApiKey(KeyIdentity),
}

/// The login of a person, as the identity provider states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// The person's name, for people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The person's mail address, for people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<String>,
    /// The issuer of the token (`iss`).
    pub issuer: String,
    /// The subject of the token (`sub`), which is unique for its issuer and never given to somebody else.
    pub subject: String,
    /// When the person signed in: `auth_time` of the token, or else `iat`.
    pub authenticated_at: Time,
    /// How the person signed in (`amr`, RFC 8176), for example `pwd` and `otp`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
}

/// The key of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyIdentity {
    /// The id of the key.
    pub key_id: KeyId,
    /// The name of the key.
    pub key_name: String,
    /// The actor who made the key, or the tool that did.
    pub key_created_by: String,
}

/// The actor of a request: a person (`usr_…`, or as the identity provider names them) or a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The name that audit records carry.
    pub id: String,
    /// Roles, for `role:…` assignments.
    pub roles: BTreeSet<String>,
    /// Teams, for `team:…` assignments.
    pub teams: BTreeSet<String>,
    /// Every name under which the same person may act: the id of the actor, and for a key that was made for another name the principals of
    /// its maker. Two actors with a principal in common are one person.
    pub principals: BTreeSet<String>,
    /// How it is known that this is the actor.
    pub identity: Identity,
}

impl Actor {
    /// Returns the principals of the actor of a key, given the name of the actor who made the key for it. This holds for a key whose
    /// maker has no principal but its own name.
    pub fn principals_of_key(actor: &str, created_by: &str) -> BTreeSet<String> {
        let maker = Some(created_by).filter(|maker| *maker != ADMIN_TOOL);
        maker.into_iter().chain([actor]).map(str::to_owned).collect()
    }

    /// Returns the principals as a record keeps them: none if the id of the actor is the only one.
    pub fn recorded_principals(&self) -> BTreeSet<String> {
        let has_more = self.principals.iter().any(|principal| *principal != self.id);
        if has_more { self.principals.clone() } else { BTreeSet::new() }
    }

    /// Returns whether this is the same person as the actor `id` of a record, who has these principals there.
    pub fn same_person(&self, id: &str, principals: &BTreeSet<String>) -> bool {
        self.principals.contains(id) || !self.principals.is_disjoint(principals)
    }

    /// Returns the actor as a record keeps it.
    pub fn recorded(&self) -> RecordedActor {
        RecordedActor { id: self.id.clone(), principals: self.recorded_principals(), identity: Some(self.identity.clone()) }
    }
}

/// An actor as a record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedActor {
    /// The name of the actor.
    #[serde(rename = "actor")]
    pub id: String,
    /// The principals of the actor; empty if its name is the only one.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub principals: BTreeSet<String>,
    /// How it was known who the actor is. Records of earlier versions have none, and neither has a trigger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

impl RecordedActor {
    /// Returns an actor of which nothing but its name is known: a trigger, for example.
    pub fn named(id: &str) -> Self {
        Self { id: id.to_owned(), principals: BTreeSet::new(), identity: None }
    }

    /// Returns every principal, the name of the actor among them.
    pub fn all_principals(&self) -> BTreeSet<String> {
        self.principals.iter().chain([&self.id]).cloned().collect()
    }
}
