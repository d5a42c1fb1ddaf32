//! The identity provider of an organisation. The client secret is not shown.

use std::collections::BTreeMap;

use domain::login::IdentityProvider;
use serde_json::{Value, json};

use super::identity::put_identity;
use crate::base_url::BaseUrl;
use crate::json_object::without_nulls;

/// Returns a provider, with the URL that it has to be told for the callback.
pub fn identity_provider(provider: &IdentityProvider, base: &BaseUrl) -> Value {
    let words =
        |grants: &std::collections::BTreeSet<_>| grants.iter().map(|grant: &domain::access::Grant| grant.to_string()).collect::<Vec<_>>();
    let role_scopes: BTreeMap<_, _> = provider.role_scopes.iter().map(|(role, grants)| (role, words(grants))).collect();
    let mut view = without_nulls(json!({
        "issuer": provider.issuer,
        "clientId": provider.client_id,
        "hasClientSecret": provider.client_secret.is_some(),
        "audience": provider.audience,
        "claims": provider.claims,
        "roleScopes": role_scopes,
        "redirectUri": base.url("/api/auth/callback"),
        "updatedAt": provider.updated_at,
        "updatedBy": provider.updated_by.id,
    }));
    put_identity(&mut view, "updatedByIdentity", provider.updated_by.identity.as_ref());
    view
}
