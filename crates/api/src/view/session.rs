//! Who has signed in, and the sessions of browsers.

use std::collections::BTreeSet;

use domain::access::{Actor, Caller, Identity, Scope};
use domain::login::Session;
use serde_json::{Value, json};

use crate::json_object::without_nulls;

/// Returns the person or the service that calls, whatever its credential is.
pub fn me(caller: &Caller, organisation: Option<&str>) -> Value {
    let scopes: BTreeSet<&str> = Scope::ALL.into_iter().filter(|scope| caller.allows(*scope)).map(Scope::name).collect();
    let (name, mail) = name_and_mail(&caller.actor);
    json!({
        "actor": caller.actor.id,
        "name": name,
        "mail": mail,
        "organisation": {"id": caller.org, "name": organisation},
        "roles": caller.actor.roles,
        "teams": caller.actor.teams,
        "scopes": scopes,
        "identity": caller.actor.identity,
        "session": caller.session().map(|session| json!({
            "id": session.id, "idleExpiresAt": session.idle_until.min(session.valid_until), "expiresAt": session.valid_until,
        })),
    })
}

/// Returns a session as a row of a list. `current` is the session of the request, if it has one.
pub fn session(session: &Session, current: Option<&Session>) -> Value {
    without_nulls(json!({
        "id": session.id,
        "actor": session.actor.id,
        "name": name_and_mail(&session.actor).0,
        "createdAt": session.id.created_at(),
        "lastUsedAt": session.last_used_at,
        "expiresAt": session.valid_until,
        "idleExpiresAt": session.idle_until.min(session.valid_until),
        "userAgent": session.user_agent,
        "current": current.is_some_and(|current| current.id == session.id),
    }))
}

fn name_and_mail(actor: &Actor) -> (Option<&str>, Option<&str>) {
    match &actor.identity {
        Identity::Login(login) => (login.name.as_deref(), login.mail.as_deref()),
        Identity::ApiKey(_) => (None, None),
    }
}
