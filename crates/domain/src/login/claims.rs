//! What the claims of a verified token say of a person.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::provider::IdentityProvider;
use crate::access::{ADMIN_TOOL, Actor, Grant, Identity, Login};
use crate::time::Time;

/// The most characters of an actor's name. A subject has 255 at most (OpenID Connect Core 1.0, section 2).
const MAX_ACTOR_CHARS: usize = 255;
const MAX_TEXT_CHARS: usize = 200;
/// The most roles, or teams, that are taken over.
const MAX_GROUPS: usize = 100;
const MAX_GROUP_CHARS: usize = 64;
const MAX_AMR: usize = 10;

/// A person who has signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The actor.
    pub actor: Actor,
    /// What the actor may do.
    pub grants: BTreeSet<Grant>,
}

/// The error for claims that name no actor.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the claim `{0}` names no actor")]
pub struct BadClaims(String);

impl Person {
    /// Reads the claims of a token that `provider` has signed. A claim that is missing or has another form is left out; only the subject
    /// and the actor are required. `now` stands for the time of the login if the token does not say it.
    pub fn of(claims: &Map<String, Value>, provider: &IdentityProvider, now: Time) -> Result<Self, BadClaims> {
        let paths = &provider.claims;
        let subject = text(claims, "sub").filter(|subject| is_actor(subject)).ok_or_else(|| BadClaims("sub".to_owned()))?;
        let id = text(claims, &paths.actor).filter(|id| is_actor(id)).ok_or_else(|| BadClaims(paths.actor.clone()))?;
        let (roles, teams) = (groups(claims, &paths.roles), groups(claims, &paths.teams));
        let seconds = ["auth_time", "iat"].into_iter().find_map(|name| claims.get(name).and_then(seconds));
        let amr = claims.get("amr").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let login = Login {
            name: text(claims, &paths.name).map(bounded),
            mail: text(claims, &paths.mail).map(bounded),
            issuer: provider.issuer.clone(),
            subject: subject.to_owned(),
            authenticated_at: seconds.map_or(now, |seconds| Time::from_millis(seconds.saturating_mul(1000))),
            amr: amr.take(MAX_AMR).map(bounded).collect(),
        };
        let grants = provider.grants_of(&roles);
        let actor = Actor { id: id.to_owned(), roles, teams, principals: [id.to_owned()].into(), identity: Identity::Login(login) };
        Ok(Self { actor, grants })
    }
}

/// Returns the time of a claim in seconds since the epoch. It may have a fraction.
pub(crate) fn seconds(claim: &Value) -> Option<u64> {
    claim.as_u64().or_else(|| {
        let seconds = claim.as_f64().filter(|seconds| (0.0..1e11).contains(seconds))?;
        format!("{seconds:.0}").parse().ok()
    })
}

/// Returns whether a text may name an actor. Triggers have names that begin with `trigger:`, and the tool that makes first keys is
/// nobody's principal: nobody may have such a name.
fn is_actor(text: &str) -> bool {
    let is_free = text != ADMIN_TOOL && !text.starts_with("trigger:");
    let is_text = !text.is_empty() && text.trim() == text && !text.chars().any(char::is_control);
    is_free && is_text && text.chars().count() <= MAX_ACTOR_CHARS
}

/// Returns the claim at a path: a claim of that very name, a JSON Pointer, or names with dots between them.
fn at<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let (separator, path) = path.strip_prefix('/').map_or(('.', path), |path| ('/', path));
    let mut names =
        path.split(separator).map(|name| if separator == '/' { name.replace("~1", "/").replace("~0", "~") } else { name.to_owned() });
    let first = claims.get(&names.next()?)?;
    names.try_fold(first, |value, name| value.get(&name))
}

fn text<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a str> {
    at(claims, path)?.as_str()
}

fn bounded(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(MAX_TEXT_CHARS).collect()
}

/// Returns the names in a claim: an array of strings, or one string with blanks between them.
fn groups(claims: &Map<String, Value>, path: &str) -> BTreeSet<String> {
    let names: Vec<&str> = match at(claims, path) {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(names)) => names.split_whitespace().collect(),
        _ => Vec::new(),
    };
    let fits = |name: &&str| {
        !name.is_empty() && name.chars().count() <= MAX_GROUP_CHARS && name.trim() == *name && !name.chars().any(char::is_control)
    };
    names.into_iter().filter(fits).take(MAX_GROUPS).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::provider::{ClaimPaths, Discovered};
    use super::*;
    use crate::access::{Environment, RecordedActor, Scope};
    use crate::id::OrgId;

    fn provider(claims: ClaimPaths) -> IdentityProvider {
        let now = Time::from_millis(0);
        let url = || "https://login.example.org/x".to_owned();
        IdentityProvider {
            org: OrgId::new(now, 1),
            issuer: "https://login.example.org".to_owned(),
            client_id: "runs".to_owned(),
            client_secret: None,
            audience: None,
            claims,
            role_scopes: [
                ("*".to_owned(), [Grant::One(Scope::RunsRead)].into()),
                ("reviewer".to_owned(), [Grant::One(Scope::ApprovalsDecide)].into()),
            ]
            .into(),
            discovered: Discovered { authorization_endpoint: url(), token_endpoint: url(), jwks_uri: url() },
            environment: Environment::Sandbox,
            updated_at: now,
            updated_by: RecordedActor::named("usr_root"),
        }
    }

    fn person(claims: &Value, paths: ClaimPaths) -> Result<Person, BadClaims> {
        Person::of(claims.as_object().unwrap(), &provider(paths), Time::from_millis(5_000))
    }

    #[test]
    fn a_token_says_who_a_person_is_and_what_their_roles_allow() {
        let claims = json!({
            "sub": "ada", "name": "Ada Lovelace", "email": "ada@example.org", "roles": ["reviewer", "lead", 7, "", " x"], "teams": "pay risk",
            "iat": 100, "auth_time": 90, "amr": ["pwd", "otp"],
        });
        let Person { actor, grants } = person(&claims, ClaimPaths::default()).unwrap();
        assert_eq!((actor.id.as_str(), &actor.principals), ("ada", &["ada".to_owned()].into()));
        assert_eq!(actor.roles, ["lead".to_owned(), "reviewer".to_owned()].into());
        assert_eq!(actor.teams, ["pay".to_owned(), "risk".to_owned()].into());
        assert_eq!(grants, [Grant::One(Scope::RunsRead), Grant::One(Scope::ApprovalsDecide)].into());
        let Identity::Login(login) = actor.identity else { panic!("it is a login") };
        assert_eq!((login.name.as_deref(), login.mail.as_deref()), (Some("Ada Lovelace"), Some("ada@example.org")));
        assert_eq!((login.authenticated_at, login.amr), (Time::from_millis(90_000), vec!["pwd".to_owned(), "otp".to_owned()]));
        let bare = person(&json!({"sub": "ada"}), ClaimPaths::default()).unwrap();
        let Identity::Login(login) = bare.actor.identity else { panic!("it is a login") };
        assert_eq!((login.name, login.authenticated_at, bare.grants.len()), (None, Time::from_millis(5_000), 1));
    }

    #[test]
    fn claims_are_found_by_name_by_path_and_by_pointer() {
        let claims = json!({
            "sub": "1", "https://example.org/roles": ["a"], "realm_access": {"roles": ["b"]}, "x/y": {"teams": ["c"]}, "upn": "ada@example.org",
        });
        for (path, role) in
            [("https://example.org/roles", "a"), ("realm_access.roles", "b"), ("/realm_access/roles", "b"), ("/x~1y/teams", "c")]
        {
            let paths = ClaimPaths { roles: path.to_owned(), actor: "upn".to_owned(), ..ClaimPaths::default() };
            let actor = person(&claims, paths).unwrap().actor;
            assert_eq!((actor.id.as_str(), actor.roles), ("ada@example.org", [role.to_owned()].into()), "{path}");
        }
        let none = ClaimPaths { roles: "realm_access.nothing".to_owned(), ..ClaimPaths::default() };
        assert!(person(&claims, none).unwrap().actor.roles.is_empty());
    }

    #[test]
    fn nobody_signs_in_as_a_trigger_or_as_the_tool_or_as_nobody() {
        for bad in [
            json!("runs-admin"),
            json!("trigger:cron"),
            json!(""),
            json!(" ada"),
            json!("a\nb"),
            json!(7),
            json!(null),
            json!("x".repeat(256)),
        ] {
            let error = person(&json!({"sub": "1", "name": bad}), ClaimPaths { actor: "name".to_owned(), ..ClaimPaths::default() });
            assert_eq!(error, Err(BadClaims("name".to_owned())), "{bad}");
            assert_eq!(person(&json!({"sub": bad}), ClaimPaths::default()), Err(BadClaims("sub".to_owned())), "{bad}");
        }
        assert_eq!(seconds(&json!(1.5)), Some(2));
        assert_eq!((seconds(&json!(-1)), seconds(&json!("1")), seconds(&json!(1e300))), (None, None, None));
    }
}
