//! The item of an identity provider. It is stored once under its organisation, and once under each audience, so that a token finds it in
//! one read.

use std::collections::{BTreeMap, BTreeSet};

use domain::access::{Environment, RecordedActor};
use domain::id::OrgId;
use domain::login::{ClaimPaths, Discovered, IdentityProvider};
use domain::ports::PortError;
use domain::secret::Sealed;
use domain::time::Time;
use serde::{Deserialize, Serialize};

use crate::error::corrupt;
use crate::keys;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProviderItem {
    pk: String,
    sk: String,
    org: OrgId,
    issuer: String,
    client_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<Sealed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audience: Option<String>,
    claims: ClaimPaths,
    role_scopes: BTreeMap<String, BTreeSet<String>>,
    discovered: Discovered,
    /// Whether the environment is the one of production.
    live: bool,
    updated_at: Time,
    updated_by: RecordedActor,
}

impl ProviderItem {
    /// Returns the item of the organisation.
    pub(crate) fn of(provider: &IdentityProvider) -> Self {
        let words = |grants: &BTreeSet<_>| grants.iter().map(|grant: &domain::access::Grant| grant.to_string()).collect();
        Self {
            pk: keys::organisation(&provider.org),
            sk: keys::IDENTITY_PROVIDER.to_owned(),
            org: provider.org,
            issuer: provider.issuer.clone(),
            client_id: provider.client_id.clone(),
            client_secret: provider.client_secret.clone(),
            audience: provider.audience.clone(),
            claims: provider.claims.clone(),
            role_scopes: provider.role_scopes.iter().map(|(role, grants)| (role.clone(), words(grants))).collect(),
            discovered: provider.discovered.clone(),
            live: provider.environment == Environment::Live,
            updated_at: provider.updated_at,
            updated_by: provider.updated_by.clone(),
        }
    }

    /// Returns the item under one of the provider's audiences.
    pub(crate) fn under_audience(self, audience_sha256: &str) -> Self {
        Self { pk: keys::audience(audience_sha256), sk: keys::AUDIENCE.to_owned(), ..self }
    }

    pub(crate) fn into_provider(self) -> Result<IdentityProvider, PortError> {
        let mut role_scopes = BTreeMap::new();
        for (role, words) in self.role_scopes {
            role_scopes.insert(role, words.iter().map(|word| word.parse().map_err(corrupt)).collect::<Result<_, _>>()?);
        }
        Ok(IdentityProvider {
            org: self.org,
            issuer: self.issuer,
            client_id: self.client_id,
            client_secret: self.client_secret,
            audience: self.audience,
            claims: self.claims,
            role_scopes,
            discovered: self.discovered,
            environment: if self.live { Environment::Live } else { Environment::Sandbox },
            updated_at: self.updated_at,
            updated_by: self.updated_by,
        })
    }
}

/// The entry of an organisation in the list of those that have a provider.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProviderEntry {
    pk: String,
    pub(crate) sk: String,
}

impl ProviderEntry {
    pub(crate) fn of(org: &OrgId) -> Self {
        Self { pk: keys::IDENTITY_PROVIDERS.to_owned(), sk: org.to_string() }
    }
}
