//! A key as a caller requests it, and the scopes that the caller may pass on.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{ADMIN_TOOL, Actor, ApiKey, Caller, Grant, Identity, KeyIdentity, Scope};
use crate::body_fields::BodyFields;
use crate::error::ApplicationError;
use crate::id::KeyId;
use crate::problem::FieldErrors;
use crate::time::Time;

const MAX_NAME_CHARS: usize = 100;
const MAX_ACTOR_CHARS: usize = 64;
/// The most roles, or teams, of one actor. The item of a key is written with every request, so it is kept small.
const MAX_GROUPS: usize = 20;
const MAX_GROUP_CHARS: usize = 64;
/// The most scopes of a request: every scope, the old wildcards, and some room for repetition.
const MAX_SCOPES: usize = 20;
/// The most keys that one key may descend from. Each is in its item, which is written with every request.
const MAX_ANCESTORS: usize = 8;

/// A key that is requested. Each field is valid by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// The name that people use.
    pub name: String,
    /// The name of the actor of requests with this key.
    pub actor: String,
    /// The roles of the actor.
    pub roles: BTreeSet<String>,
    /// The teams of the actor.
    pub teams: BTreeSet<String>,
    /// What the key may do, in the order of the request.
    pub grants: Vec<Grant>,
    /// The time from which the key is refused.
    pub valid_until: Option<Time>,
}

impl NewKey {
    /// Reads a body that `caller` has sent. Fails with all problems at once, each at its path.
    pub fn parse(body: &Map<String, Value>, caller: &Actor, now: Time) -> Result<Self, FieldErrors> {
        let mut fields = BodyFields::of(body);
        let name = fields.text("name", |name| {
            let fits = !name.trim().is_empty() && name.chars().count() <= MAX_NAME_CHARS && !name.chars().any(char::is_control);
            if fits {
                Ok(name.to_owned())
            } else {
                Err(format!("must have 1 to {MAX_NAME_CHARS} characters, none of them a control character"))
            }
        });
        let grants = fields.texts("scopes", MAX_SCOPES, |scope| scope.parse::<Grant>().map_err(|problem| problem.to_string()));
        if grants.as_ref().is_none_or(Vec::is_empty) {
            fields.errors.add("scopes", "must name at least one scope");
        }
        // A person has the name that the identity provider gives, which may have another form.
        let is_own = |actor: &str| actor == caller.id;
        let parse = |actor: &str| if is_own(actor) { Ok(actor.to_owned()) } else { parse_actor(actor).map_err(|why| why.to_string()) };
        let actor = fields.text("actor", parse);
        let roles = fields.texts("roles", MAX_GROUPS, parse_group).unwrap_or_default();
        let teams = fields.texts("teams", MAX_GROUPS, parse_group).unwrap_or_default();
        let valid_until = fields.time_ahead("expiresAt", now);
        let key = Self {
            name: name.unwrap_or_default(),
            actor: actor.unwrap_or_default(),
            roles: roles.into_iter().collect(),
            teams: teams.into_iter().collect(),
            grants: grants.unwrap_or_default(),
            valid_until,
        };
        fields.finish().into_result(key)
    }

    /// Returns the key in the organisation of `maker`. Fails if it has a scope that the maker lacks; an old wildcard counts as all scopes
    /// that it covers. A key for another actor, or with a role or a team that the maker lacks, takes `actors:manage`: it could decide in
    /// the place of somebody else. A key that a key makes ends with it at the latest, has its limits, and has the maker among its principals.
    pub fn made_by(self, maker: &Caller, id: KeyId) -> Result<ApiKey, ApplicationError> {
        let mut fields = FieldErrors::new();
        for (at, grant) in self.grants.iter().enumerate() {
            for missing in grant.scopes().filter(|scope| !maker.allows(*scope)) {
                fields.add(format!("scopes[{at}]"), format!("your own key does not have {missing}"));
            }
        }
        if !fields.is_empty() {
            return Err(ApplicationError::Unprocessable { message: "a key cannot give scopes that it does not have".to_owned(), fields });
        }
        let is_own = self.actor == maker.actor.id && self.roles.is_subset(&maker.actor.roles) && self.teams.is_subset(&maker.actor.teams);
        if !is_own && !maker.allows(Scope::ActorsManage) {
            return Err(ApplicationError::Forbidden(format!("missing scope: {}", Scope::ActorsManage)));
        }
        let parent = maker.key();
        let ancestors: Vec<KeyId> = parent.map(|parent| parent.ancestors.iter().copied().chain([parent.id]).collect()).unwrap_or_default();
        if ancestors.len() > MAX_ANCESTORS {
            let message = format!("your own key has {MAX_ANCESTORS} keys before it; a key that was made that way cannot make another one");
            return Err(ApplicationError::Unprocessable { message, fields: FieldErrors::new() });
        }
        let valid_until = [self.valid_until, parent.and_then(|parent| parent.valid_until)].into_iter().flatten().min();
        let created_by = maker.actor.id.clone();
        let identity = KeyIdentity { key_id: id, key_name: self.name.clone(), key_created_by: created_by.clone() };
        let principals = maker.actor.principals.iter().chain([&self.actor]).cloned().collect();
        Ok(ApiKey {
            id,
            org: maker.org,
            name: self.name,
            actor: Actor { id: self.actor, roles: self.roles, teams: self.teams, principals, identity: Identity::ApiKey(identity) },
            grants: self.grants.into_iter().collect::<BTreeSet<_>>(),
            limits: maker.limits,
            created_by,
            ancestors,
            valid_until,
            revoked: None,
            last_used_at: None,
        })
    }
}

/// The error for a text that is not an actor.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must be `usr_…` or the name of a service: a letter, then letters, digits, `_`, `-` and `.`, {MAX_ACTOR_CHARS} characters at most")]
pub struct BadActor;

/// Reads the name of an actor, as audit records carry it.
pub fn parse_actor(text: &str) -> Result<String, BadActor> {
    let mut chars = text.chars();
    let begins = chars.next().is_some_and(|first| first.is_ascii_alphabetic());
    let goes_on = chars.all(|char| char.is_ascii_alphanumeric() || "_-.".contains(char));
    // The tool that makes first keys is nobody's principal, so nobody may have its name.
    let is_free = text != "usr_" && text != ADMIN_TOOL;
    if begins && goes_on && text.len() <= MAX_ACTOR_CHARS && is_free { Ok(text.to_owned()) } else { Err(BadActor) }
}

/// Reads the name of a role or a team, as it follows `role:` or `team:`.
fn parse_group(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && text.chars().count() <= MAX_GROUP_CHARS && text.trim() == text && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err(format!("must have 1 to {MAX_GROUP_CHARS} characters, without blanks around them")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Environment, OwnLimits, Secret};
    use super::*;
    use crate::id::OrgId;

    fn now() -> Time {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn read(body: &Value) -> Result<NewKey, FieldErrors> {
        NewKey::parse(body.as_object().unwrap(), &root().actor, now())
    }

    fn caller(key: ApiKey) -> Caller {
        Caller::of_key(key, &Secret::new(Environment::Sandbox, [1, 2]))
    }

    /// The first key of an organisation.
    fn root() -> Caller {
        let id = KeyId::new(now(), 1);
        let identity = KeyIdentity { key_id: id, key_name: "Root".to_owned(), key_created_by: ADMIN_TOOL.to_owned() };
        caller(ApiKey {
            id,
            org: OrgId::new(now(), 1),
            name: "Root".to_owned(),
            actor: Actor {
                id: "usr_root".to_owned(),
                roles: BTreeSet::new(),
                teams: BTreeSet::new(),
                principals: Actor::principals_of_key("usr_root", ADMIN_TOOL),
                identity: Identity::ApiKey(identity),
            },
            grants: Scope::ALL.into_iter().map(Grant::One).collect(),
            limits: OwnLimits { reads: Some(7), writes: None },
            created_by: ADMIN_TOOL.to_owned(),
            ancestors: Vec::new(),
            valid_until: None,
            revoked: None,
            last_used_at: None,
        })
    }

    /// Returns the caller with a key that `by` has made.
    fn made(by: &Caller, body: &Value, number: u128) -> Result<Caller, ApplicationError> {
        read(body).unwrap().made_by(by, KeyId::new(now(), number)).map(caller)
    }

    fn maker(scopes: &[&str]) -> Caller {
        made(&root(), &json!({"name": "Maker", "scopes": scopes, "actor": "usr_ada"}), 2).unwrap()
    }

    #[test]
    fn a_key_is_read_with_all_its_fields() {
        let body = json!({
            "name": "Nightly import", "scopes": ["runs:write", "read", "read"], "actor": "billing-service",
            "roles": ["reviewer", "lead"], "teams": ["payments"], "expiresAt": "2026-02-01T00:00:00+01:00",
        });
        let maker = maker(&["runs:write", "read", "api:manage", "actors:manage"]);
        let key = read(&body).unwrap().made_by(&maker, KeyId::new(now(), 3)).unwrap();
        assert_eq!((key.org, key.created_by.as_str(), key.name.as_str()), (maker.org, "usr_ada", "Nightly import"));
        assert_eq!(key.grants, [Grant::One(Scope::RunsWrite), Grant::Read].into());
        assert_eq!(key.actor.id, "billing-service");
        assert_eq!(key.actor.roles, ["lead".to_owned(), "reviewer".to_owned()].into());
        assert_eq!(key.actor.teams, ["payments".to_owned()].into());
        assert_eq!(key.valid_until, Some("2026-01-31T23:00:00Z".parse().unwrap()));
        assert_eq!((key.limits, key.revoked, key.last_used_at), (OwnLimits { reads: Some(7), writes: None }, None, None));
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let body = json!({
            "name": " ", "scopes": ["runs:write", "runs:*", 7], "actor": "usr_", "roles": ["x".repeat(65), " a", ""], "teams": "payments",
            "expiresAt": "2026-01-01T00:00:00Z", "expiry": 3, "createdBy": "usr_eve",
        });
        let errors = read(&body).unwrap_err();
        let paths: Vec<&str> = errors.by_path().keys().map(String::as_str).collect();
        assert_eq!(
            paths,
            ["actor", "createdBy", "expiresAt", "expiry", "name", "roles[0]", "roles[1]", "roles[2]", "scopes[1]", "scopes[2]", "teams"]
        );
        let required = read(&json!({})).unwrap_err();
        assert_eq!(required.by_path().keys().collect::<Vec<_>>(), ["actor", "name", "scopes"]);
        for (field, value) in [
            ("name", json!("x".repeat(101))),
            ("name", json!("two\nlines")),
            ("scopes", json!([])),
            ("scopes", json!("runs:read")),
            ("roles", json!(vec!["r"; 21])),
            ("expiresAt", json!("tomorrow")),
            ("expiresAt", json!(1)),
        ] {
            let mut body = json!({"name": "A key", "scopes": ["runs:read"], "actor": "usr_ada"});
            body[field] = value;
            assert_eq!(read(&body).unwrap_err().by_path().keys().collect::<Vec<_>>(), [field], "{body}");
        }
    }

    #[test]
    fn an_actor_is_a_user_or_a_service() {
        let longest = "a".repeat(64);
        for good in ["usr_ada", "usr_01HXYZ", "billing-service", "Ci.runner_2", "a", &longest] {
            assert_eq!(parse_actor(good), Ok(good.to_owned()));
        }
        let too_long = "a".repeat(65);
        for bad in ["", "usr_", "runs-admin", "2fast", "two words", "role:lead", "ünal", "a\n", &too_long] {
            assert_eq!(parse_actor(bad), Err(BadActor), "{bad}");
        }
    }

    /// Every scope, and every old wildcard, can be passed on by a key that has all of it, and by no other key.
    #[test]
    fn a_key_cannot_pass_on_a_scope_that_it_does_not_have() {
        let words: Vec<&str> = Scope::ALL.iter().map(|scope| scope.name()).chain(["read", "write"]).collect();
        for held in &words {
            for wanted in &words {
                let key = read(&json!({"name": "A key", "scopes": ["flows:read", wanted], "actor": "usr_ada"})).unwrap();
                let given = key.made_by(&maker(&["flows:read", held]), KeyId::new(now(), 3));
                let covers = |word: &str, scope: Scope| word.parse::<Grant>().unwrap().scopes().any(|covered| covered == scope);
                let has_all = Scope::ALL
                    .into_iter()
                    .filter(|scope| covers(wanted, *scope))
                    .all(|scope| scope == Scope::FlowsRead || covers(held, scope));
                assert_eq!(given.is_ok(), has_all, "{held} gives {wanted}");
                if let Err(error) = given {
                    let ApplicationError::Unprocessable { fields, .. } = error else { panic!("{error}") };
                    assert_eq!(fields.by_path().keys().collect::<Vec<_>>(), ["scopes[1]"]);
                }
            }
        }
        // Every scope that a wildcard covers, one by one, is as much as the wildcard.
        let reads: Vec<&str> = Grant::Read.scopes().map(Scope::name).collect();
        let wildcard = read(&json!({"name": "A key", "scopes": ["read"], "actor": "usr_ada"})).unwrap();
        assert!(wildcard.made_by(&maker(&reads), KeyId::new(now(), 3)).is_ok());
    }

    #[test]
    fn a_key_for_another_actor_takes_a_scope_of_its_own() {
        let ada = made(
            &root(),
            &json!({"name": "Ada", "scopes": ["api:manage", "runs:write"], "actor": "usr_ada", "roles": ["cfo"], "teams": ["pay"]}),
            2,
        )
        .unwrap();
        let own = json!({"name": "Mine", "scopes": ["runs:write"], "actor": "usr_ada", "roles": ["cfo"]});
        assert_eq!(made(&ada, &own, 3).unwrap().actor.principals, ada.actor.principals);
        for (field, value) in [("actor", json!("usr_bob")), ("roles", json!(["cfo", "ceo"])), ("teams", json!(["other"]))] {
            let mut other = own.clone();
            other[field] = value;
            let refused = made(&ada, &other, 3).unwrap_err();
            assert!(matches!(&refused, ApplicationError::Forbidden(why) if why == "missing scope: actors:manage"), "{other}: {refused}");
            assert!(made(&root(), &other, 3).is_ok(), "{other}");
        }
    }

    #[test]
    fn an_actor_and_whoever_made_its_key_are_one_person() {
        let of = |by: &Caller, actor: &str, number| {
            let body = json!({"name": "A key", "scopes": ["api:manage", "actors:manage"], "actor": actor});
            made(by, &body, number).unwrap()
        };
        let (ada, bob) = (of(&root(), "usr_ada", 2), of(&root(), "usr_bob", 3));
        let carol = of(&ada, "usr_carol", 4);
        let principals = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(root().actor.principals, principals(&["usr_root"]));
        assert_eq!(carol.actor.principals, principals(&["usr_root", "usr_ada", "usr_carol"]));
        // Root made them all, and could act as each of them.
        for (one, other) in [(&ada, &bob), (&ada, &carol), (&bob, &carol)] {
            assert!(one.actor.same_person(&other.actor.id, &other.actor.recorded_principals()));
        }
        let linus = Actor { id: "usr_linus".to_owned(), principals: principals(&["usr_linus"]), ..ada.actor.clone() };
        assert!(!linus.same_person(&carol.actor.id, &carol.actor.recorded_principals()));
        assert!(linus.recorded_principals().is_empty() && linus.same_person("usr_linus", &BTreeSet::new()));
    }

    #[test]
    fn a_key_ends_with_the_key_that_made_it_and_descends_from_it() {
        let short = json!({"name": "Short", "scopes": ["api:manage"], "actor": "usr_root", "expiresAt": "2026-02-01T00:00:00Z"});
        let short = made(&root(), &short, 2).unwrap();
        for (wanted, expected) in [(None, "2026-02-01"), (Some("2026-03-01"), "2026-02-01"), (Some("2026-01-15"), "2026-01-15")] {
            let mut body = json!({"name": "A key", "scopes": ["api:manage"], "actor": "usr_root"});
            if let Some(day) = wanted {
                body["expiresAt"] = json!(format!("{day}T00:00:00Z"));
            }
            let key = made(&short, &body, 3).unwrap().key().unwrap().clone();
            assert_eq!(key.valid_until, Some(format!("{expected}T00:00:00Z").parse().unwrap()), "{wanted:?}");
            assert_eq!(key.ancestors, [KeyId::new(now(), 1), KeyId::new(now(), 2)]);
        }
        let mut last = short;
        for number in 3..20 {
            match made(&last, &json!({"name": "A key", "scopes": ["api:manage"], "actor": "usr_root"}), number) {
                Ok(next) => last = next,
                Err(error) => {
                    assert!(matches!(error, ApplicationError::Unprocessable { .. }));
                    assert_eq!(last.key().unwrap().ancestors.len(), MAX_ANCESTORS);
                    return;
                }
            }
        }
        panic!("keys may make keys without an end");
    }
}
