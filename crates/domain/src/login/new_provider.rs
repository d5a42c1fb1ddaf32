//! An identity provider as a caller registers it.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::provider::{ClaimPaths, Discovered, IdentityProvider};
use crate::access::{Caller, Environment, Grant, RecordedActor};
use crate::body_fields::BodyFields;
use crate::error::ApplicationError;
use crate::id::OrgId;
use crate::problem::FieldErrors;
use crate::secret::Sealed;
use crate::time::Time;

const MAX_URL_CHARS: usize = 500;
const MAX_TEXT_CHARS: usize = 255;
const MAX_ROLES: usize = 50;
const MAX_SCOPES: usize = 20;

/// A provider that is to be registered. Each field is valid by itself; whether there is such a provider is not known yet.
#[derive(Debug, Clone)]
pub struct NewProvider {
    /// The issuer.
    pub issuer: String,
    /// The id that the provider knows us by.
    pub client_id: String,
    /// The secret that the provider knows us by.
    pub client_secret: Option<SecretString>,
    /// Another audience whose tokens are accepted.
    pub audience: Option<String>,
    /// Where the claims of a token are.
    pub claims: ClaimPaths,
    /// The scopes of each role.
    pub role_scopes: BTreeMap<String, BTreeSet<Grant>>,
}

impl NewProvider {
    /// Reads a body. Fails with all problems at once, each at its path. `url_problem` says why a URL may not be called, if it may not.
    pub fn parse(body: &Map<String, Value>, url_problem: impl Fn(&str) -> Option<String>) -> Result<Self, FieldErrors> {
        let mut fields = BodyFields::of(body);
        let issuer = fields.text("issuer", |issuer| {
            let is_url = issuer.len() <= MAX_URL_CHARS && !issuer.contains(['?', '#']) && issuer.contains("://");
            if !is_url {
                return Err(format!("must be a URL of at most {MAX_URL_CHARS} characters without a query, exactly as tokens have it"));
            }
            url_problem(issuer).map_or_else(|| Ok(issuer.to_owned()), Err)
        });
        let client_id = fields.text("clientId", text);
        let client_secret = fields.optional_text("clientSecret", text).map(SecretString::from);
        let audience = fields.optional_text("audience", text);
        let claims = claim_paths(fields.object("claims"), &mut fields.errors);
        let role_scopes = role_scopes(fields.object("roleScopes"), &mut fields.errors);
        let provider = Self {
            issuer: issuer.unwrap_or_default(),
            client_id: client_id.unwrap_or_default(),
            client_secret,
            audience,
            claims,
            role_scopes,
        };
        fields.finish().into_result(provider)
    }

    /// Fails if the provider would give somebody a scope that `caller` lacks: signing in must not be a way to more rights.
    pub fn must_be_covered_by(&self, caller: &Caller) -> Result<(), ApplicationError> {
        let mut fields = FieldErrors::new();
        for (role, grants) in &self.role_scopes {
            for missing in grants.iter().flat_map(|grant| grant.scopes()).filter(|scope| !caller.allows(*scope)) {
                fields.add(format!("roleScopes.{role}"), format!("you do not have {missing} yourself"));
            }
        }
        if fields.is_empty() {
            return Ok(());
        }
        Err(ApplicationError::Unprocessable { message: "a role cannot have scopes that you do not have".to_owned(), fields })
    }

    /// Returns the secret that stays although none is sent: that of the provider before, if issuer and client are the same.
    pub fn kept_secret(&self, before: Option<&IdentityProvider>) -> Option<Sealed> {
        let same = before.filter(|before| (&before.issuer, &before.client_id) == (&self.issuer, &self.client_id));
        same.and_then(|before| before.client_secret.clone())
    }

    /// Returns the provider of an organisation, with what it says of itself.
    pub fn with(
        self,
        org: OrgId,
        client_secret: Option<Sealed>,
        discovered: Discovered,
        environment: Environment,
        (updated_at, updated_by): (Time, RecordedActor),
    ) -> IdentityProvider {
        IdentityProvider {
            org,
            issuer: self.issuer,
            client_id: self.client_id,
            client_secret,
            audience: self.audience,
            claims: self.claims,
            role_scopes: self.role_scopes,
            discovered,
            environment,
            updated_at,
            updated_by,
        }
    }
}

fn text(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && text.chars().count() <= MAX_TEXT_CHARS && text.trim() == text && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err(format!("must have 1 to {MAX_TEXT_CHARS} characters, without blanks around them")) }
}

fn claim_paths(sent: Option<Map<String, Value>>, errors: &mut FieldErrors) -> ClaimPaths {
    let mut paths = ClaimPaths::default();
    for (name, value) in sent.unwrap_or_default() {
        let path = match name.as_str() {
            "actor" => &mut paths.actor,
            "name" => &mut paths.name,
            "mail" => &mut paths.mail,
            "roles" => &mut paths.roles,
            "teams" => &mut paths.teams,
            _ => {
                errors.add(format!("claims.{name}"), "is not a field that belongs here");
                continue;
            }
        };
        match value {
            Value::Null => {}
            Value::String(claim) => match text(&claim) {
                Ok(claim) => *path = claim,
                Err(problem) => errors.add(format!("claims.{name}"), problem),
            },
            _ => errors.add(format!("claims.{name}"), "must be a string"),
        }
    }
    paths
}

fn role_scopes(sent: Option<Map<String, Value>>, errors: &mut FieldErrors) -> BTreeMap<String, BTreeSet<Grant>> {
    let mut roles = BTreeMap::new();
    let sent = sent.unwrap_or_default();
    if sent.len() > MAX_ROLES {
        errors.add("roleScopes", format!("may name at most {MAX_ROLES} roles"));
        return roles;
    }
    for (role, scopes) in sent {
        let path = format!("roleScopes.{role}");
        if let Err(problem) = text(&role) {
            errors.add(path.clone(), problem);
        }
        let Some(scopes) = scopes.as_array().filter(|scopes| scopes.len() <= MAX_SCOPES) else {
            errors.add(path, format!("must be an array of at most {MAX_SCOPES} scopes"));
            continue;
        };
        let mut grants = BTreeSet::new();
        for (at, scope) in scopes.iter().enumerate() {
            match scope
                .as_str()
                .ok_or_else(|| "must be a string".to_owned())
                .and_then(|text| text.parse().map_err(|why: crate::access::UnknownScope| why.to_string()))
            {
                Ok(grant) => _ = grants.insert(grant),
                Err(problem) => errors.add(format!("{path}[{at}]"), problem),
            }
        }
        roles.insert(role, grants);
    }
    roles
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::access::Scope;

    fn read(body: &Value) -> Result<NewProvider, FieldErrors> {
        NewProvider::parse(body.as_object().unwrap(), |url| url.contains("10.0.0.1").then(|| "is private".to_owned()))
    }

    #[test]
    fn a_provider_is_read_with_all_its_fields() {
        let least = read(&json!({"issuer": "https://login.example.org/", "clientId": "runs"})).unwrap();
        assert_eq!((least.claims, least.role_scopes.len(), least.audience), (ClaimPaths::default(), 0, None));
        let full = json!({
            "issuer": "https://login.example.org", "clientId": "runs", "clientSecret": "s", "audience": "https://api.example.org",
            "claims": {"actor": "upn", "roles": "realm_access.roles", "name": null}, "roleScopes": {"reviewer": ["approvals:decide"], "*": ["read"]},
        });
        let provider = read(&full).unwrap();
        assert_eq!(
            (provider.claims.actor.as_str(), provider.claims.roles.as_str(), provider.claims.name.as_str()),
            ("upn", "realm_access.roles", "name")
        );
        assert_eq!(provider.role_scopes["reviewer"], [Grant::One(Scope::ApprovalsDecide)].into());
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let body = json!({
            "issuer": "login", "clientId": " ", "clientSecret": 7, "audience": "", "claims": {"actor": 1, "group": "x", "mail": ""},
            "roleScopes": {"a": ["nothing", 7], "b": "read", "": []}, "extra": 1,
        });
        let errors = read(&body).unwrap_err();
        let paths: Vec<&str> = errors.by_path().keys().map(String::as_str).collect();
        let expected = [
            "audience",
            "claims.actor",
            "claims.group",
            "claims.mail",
            "clientId",
            "clientSecret",
            "extra",
            "issuer",
            "roleScopes.",
            "roleScopes.a[0]",
            "roleScopes.a[1]",
            "roleScopes.b",
        ];
        assert_eq!(paths, expected);
        let private = read(&json!({"issuer": "https://10.0.0.1/", "clientId": "x"})).unwrap_err();
        assert_eq!(private.by_path()["issuer"], ["is private"]);
        assert_eq!(read(&json!({"claims": [], "roleScopes": 1})).unwrap_err().by_path().len(), 4);
    }
}
