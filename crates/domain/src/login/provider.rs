//! The identity provider of an organisation.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::access::{Environment, Grant, RecordedActor};
use crate::id::OrgId;
use crate::json::sha256_hex_of;
use crate::secret::{Sealed, SecretKind, SecretPlace};
use crate::time::Time;

/// The role in `roleScopes` that everybody has who signs in.
pub const EVERY_ROLE: &str = "*";

/// Where the claims of a token are: each is a name, a path with dots, or a JSON Pointer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimPaths {
    /// The name of the actor.
    pub actor: String,
    /// The name that people use.
    pub name: String,
    /// The mail address.
    pub mail: String,
    /// The roles.
    pub roles: String,
    /// The teams.
    pub teams: String,
}

impl Default for ClaimPaths {
    fn default() -> Self {
        let [actor, name, mail, roles, teams] = ["sub", "name", "email", "roles", "teams"].map(str::to_owned);
        Self { actor, name, mail, roles, teams }
    }
}

/// What the provider says of itself in its discovery document (OpenID Connect Discovery 1.0, section 3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Discovered {
    /// Where a browser signs in.
    pub authorization_endpoint: String,
    /// Where a code is exchanged for a token.
    pub token_endpoint: String,
    /// Where the keys are that tokens are signed with.
    pub jwks_uri: String,
}

/// The provider at which the people of an organisation sign in (OpenID Connect).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityProvider {
    /// The organisation.
    pub org: OrgId,
    /// The issuer, exactly as it is in tokens.
    pub issuer: String,
    /// The id that the provider knows us by. A token for it is accepted.
    pub client_id: String,
    /// The secret that the provider knows us by, if it has given one.
    pub client_secret: Option<Sealed>,
    /// Another audience whose tokens are accepted: that of access tokens for this API.
    pub audience: Option<String>,
    /// Where the claims of a token are.
    pub claims: ClaimPaths,
    /// The scopes of each role; those of [`EVERY_ROLE`] are everybody's.
    pub role_scopes: BTreeMap<String, BTreeSet<Grant>>,
    /// What the provider says of itself.
    pub discovered: Discovered,
    /// The environment of those who sign in: keys that they make are for it.
    pub environment: Environment,
    /// When the provider was registered, or last changed.
    pub updated_at: Time,
    /// The actor who did that.
    pub updated_by: RecordedActor,
}

impl IdentityProvider {
    /// Returns the place that the client secret of an organisation is sealed for.
    pub fn place_of(org: OrgId) -> SecretPlace {
        SecretPlace { org, kind: SecretKind::IdentityProvider, name: "client-secret".to_owned() }
    }

    /// Returns the audiences whose tokens are accepted.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        let more = self.audience.as_deref().filter(|audience| *audience != self.client_id);
        std::iter::once(self.client_id.as_str()).chain(more)
    }

    /// Returns the hash under which the provider is found, for each audience.
    pub fn audience_hashes(&self) -> impl Iterator<Item = String> {
        self.audiences().map(|audience| audience_sha256(&self.issuer, audience))
    }

    /// Returns what somebody with these roles may do.
    pub fn grants_of(&self, roles: &BTreeSet<String>) -> BTreeSet<Grant> {
        let named = roles.iter().map(String::as_str).chain([EVERY_ROLE]);
        named.filter_map(|role| self.role_scopes.get(role)).flatten().copied().collect()
    }
}

/// Returns the hash under which the provider with this issuer and this audience is found.
pub fn audience_sha256(issuer: &str, audience: &str) -> String {
    // No URL contains a line break, so no two pairs have the same text.
    sha256_hex_of(format!("{issuer}\n{audience}").as_bytes())
}
