//! People who sign in: the providers of organisations, and sessions.

use domain::access::{Bucket, Environment, Limits, Minute, Scope, Usage};
use domain::id::{OrgId, SessionId};
use domain::json::sha256_hex_of;
use domain::login::{ClaimPaths, Discovered, IDLE_SECONDS, IdentityProvider, Session};
use domain::ports::{CommitError, Counted, IdentityProviders, Logins, SessionAdmission, Sessions};
use domain::secret::Sealed;
use domain::time::Time;

use super::Subject;
use crate::build::{Maker, actor, at, person};

const ALL: Limits = Limits { reads: 2, writes: 1 };

/// Returns a provider with every field, whose tokens are for `audience`.
pub fn provider(org: OrgId, audience: &str, now: Time) -> IdentityProvider {
    IdentityProvider {
        org,
        issuer: "https://login.example.org/realm".to_owned(),
        client_id: "runs".to_owned(),
        client_secret: Some(Sealed::from_text("sealed")),
        audience: Some(audience.to_owned()),
        claims: ClaimPaths { teams: "groups".to_owned(), ..ClaimPaths::default() },
        role_scopes: [("reviewer".to_owned(), ["approvals:decide".parse().unwrap()].into())].into(),
        discovered: Discovered {
            authorization_endpoint: "https://login.example.org/authorize".to_owned(),
            token_endpoint: "https://login.example.org/token".to_owned(),
            jwks_uri: "https://login.example.org/jwks".to_owned(),
        },
        environment: Environment::Live,
        updated_at: now,
        updated_by: actor("usr_root").recorded(),
    }
}

/// Returns the session of a person that has just begun.
pub fn session(id: SessionId, org: OrgId, now: Time) -> Session {
    Session {
        id,
        org,
        actor: person("ada"),
        grants: ["approvals:decide".parse().unwrap(), "read".parse().unwrap()].into(),
        environment: Environment::Live,
        user_agent: Some("Browser/1".to_owned()),
        last_used_at: now,
        idle_until: now.plus_seconds(IDLE_SECONDS),
        valid_until: now.plus_seconds(2 * IDLE_SECONDS),
        ended_at: None,
    }
}

fn secret_of(session: &Session) -> String {
    sha256_hex_of(session.id.to_string().as_bytes())
}

fn usage(bucket: Bucket, used: u32, now: Time) -> Usage {
    Usage { bucket, limit: ALL.of(bucket.class()), used, minute: Minute::of(now) }
}

fn reads() -> Bucket {
    Bucket::of(Scope::RunsRead, false)
}

/// By the organisation, and by the issuer with each of its audiences.
pub async fn an_identity_provider_reads_back_and_is_replaced_as_it_was_read(store: &impl Subject) {
    let maker = Maker::new(70);
    let (table, org) = (store.table(), maker.org());
    let first = provider(org, "https://runs.example.org", at(1));
    assert_eq!(table.identity_provider(&org).await.unwrap(), None);
    table.put_identity_provider(&first, None).await.unwrap();
    assert_eq!(table.identity_provider(&org).await.unwrap().as_ref(), Some(&first));
    assert_eq!(table.only_identity_provider().await.unwrap(), Some(org));
    for audience in first.audiences() {
        assert_eq!(table.provider_for(&first.issuer, audience).await.unwrap().as_ref(), Some(&first));
        assert_eq!(table.provider_for("https://other.example.org", audience).await.unwrap(), None);
    }
    let second = provider(org, "runs-api", at(2));
    assert!(matches!(table.put_identity_provider(&second, None).await, Err(CommitError::Changed)), "it exists");
    table.put_identity_provider(&second, Some(&first)).await.unwrap();
    assert!(matches!(table.put_identity_provider(&first, Some(&first)).await, Err(CommitError::Changed)), "it was changed since");
    assert_eq!(table.provider_for(&first.issuer, "https://runs.example.org").await.unwrap(), None, "the old audience is free");
    assert_eq!(table.provider_for(&first.issuer, "runs-api").await.unwrap().as_ref(), Some(&second));
    assert!(matches!(table.delete_identity_provider(&first).await, Err(CommitError::Changed)), "it was changed since");
    table.delete_identity_provider(&second).await.unwrap();
    assert_eq!(table.identity_provider(&org).await.unwrap(), None);
    assert_eq!(table.provider_for(&first.issuer, "runs-api").await.unwrap(), None);
    assert_eq!(table.only_identity_provider().await.unwrap(), None);
}

/// A token must lead to one organisation.
pub async fn an_audience_of_an_issuer_has_one_organisation(store: &impl Subject) {
    let maker = Maker::new(71);
    let table = store.table();
    let (first, second) = (provider(maker.org(), "ours", at(1)), provider(maker.org(), "theirs", at(1)));
    let second = IdentityProvider { client_id: "another".to_owned(), ..second };
    table.put_identity_provider(&first, None).await.unwrap();
    let taken = IdentityProvider { client_id: "another".to_owned(), audience: Some("ours".to_owned()), ..second.clone() };
    assert!(matches!(table.put_identity_provider(&taken, None).await, Err(CommitError::Changed)));
    assert_eq!(table.identity_provider(&second.org).await.unwrap(), None, "nothing was written");
    table.put_identity_provider(&second, None).await.unwrap();
    assert_eq!(table.provider_for(&first.issuer, "ours").await.unwrap().map(|provider| provider.org), Some(first.org));
    assert_eq!(table.provider_for(&first.issuer, "theirs").await.unwrap().map(|provider| provider.org), Some(second.org));
    assert_eq!(table.only_identity_provider().await.unwrap(), None, "there are two");
}

/// It moves its idle end with each request, never beyond its absolute end, and counts as a key does.
pub async fn a_session_is_admitted_until_it_idles_or_ends(store: &impl Subject) {
    let maker = Maker::new(72);
    let (table, org) = (store.table(), maker.org());
    let new = session(SessionId::new(at(0), 1), org, at(0));
    let secret = secret_of(&new);
    assert_eq!(table.admit_session(&secret, reads(), ALL, at(0)).await.unwrap(), SessionAdmission::Unknown);
    table.create_session(&new, &secret).await.unwrap();
    assert!(matches!(table.create_session(&new, &secret).await, Err(CommitError::Changed)));
    let used_at = |now: Time| Session { last_used_at: now, idle_until: now.plus_seconds(IDLE_SECONDS), ..new.clone() };
    for (used, now) in [(1, at(1)), (2, at(2))] {
        let expected = SessionAdmission::Admitted(used_at(now), usage(reads(), used, now));
        assert_eq!(table.admit_session(&secret, reads(), ALL, now).await.unwrap(), expected);
    }
    assert_eq!(table.admit_session(&secret, reads(), ALL, at(3)).await.unwrap(), SessionAdmission::Exhausted(usage(reads(), 2, at(3))));
    assert_eq!(table.session(&org, &new.id).await.unwrap(), Some(used_at(at(2))));
    let nearly = at(2 + IDLE_SECONDS - 1);
    assert!(matches!(table.admit_session(&secret, reads(), ALL, nearly).await.unwrap(), SessionAdmission::Admitted(..)));
    assert_eq!(table.admit_session(&secret, reads(), ALL, new.valid_until).await.unwrap(), SessionAdmission::Unknown, "its absolute end");
    let idle = session(SessionId::new(at(0), 2), org, at(0));
    table.create_session(&idle, &secret_of(&idle)).await.unwrap();
    assert_eq!(table.admit_session(&secret_of(&idle), reads(), ALL, idle.idle_until).await.unwrap(), SessionAdmission::Unknown);
}

/// An ended session is refused at once, and nobody ends the session of another organisation.
pub async fn a_session_is_listed_until_it_is_ended(store: &impl Subject) {
    let maker = Maker::new(73);
    let (table, org, theirs) = (store.table(), maker.org(), maker.org());
    let sessions: Vec<Session> = (1..=3).map(|number| session(SessionId::new(at(number), 0), org, at(0))).collect();
    for session in &sessions {
        table.create_session(session, &secret_of(session)).await.unwrap();
    }
    let newest_first: Vec<Session> = sessions.iter().rev().cloned().collect();
    assert_eq!(table.sessions(&org).await.unwrap(), newest_first);
    assert_eq!(table.sessions(&theirs).await.unwrap(), []);
    let ended = &sessions[1];
    assert!(!table.end_session(&theirs, &ended.id, at(9)).await.unwrap());
    assert_eq!(table.session(&theirs, &ended.id).await.unwrap(), None);
    assert!(table.end_session(&org, &ended.id, at(9)).await.unwrap());
    assert!(!table.end_session(&org, &ended.id, at(9)).await.unwrap(), "it is gone");
    assert_eq!(table.admit_session(&secret_of(ended), reads(), ALL, at(10)).await.unwrap(), SessionAdmission::Unknown);
    assert_eq!(table.session(&org, &ended.id).await.unwrap(), None);
    assert_eq!(table.sessions(&org).await.unwrap(), [sessions[2].clone(), sessions[0].clone()]);
}

/// The requests of one login in one minute.
pub async fn requests_with_a_token_are_counted_by_login_bucket_and_minute(store: &impl Subject) {
    let table = store.table();
    let (login, other) = (sha256_hex_of(b"login of ada"), sha256_hex_of(b"login of bob"));
    let writes = Bucket::of(Scope::RunsWrite, true);
    for (login, bucket, now, expected) in [
        (&login, reads(), at(1), Counted::Admitted(usage(reads(), 1, at(1)))),
        (&login, reads(), at(2), Counted::Admitted(usage(reads(), 2, at(2)))),
        (&login, reads(), at(3), Counted::Exhausted(usage(reads(), 2, at(3)))),
        (&login, writes, at(3), Counted::Admitted(usage(writes, 1, at(3)))),
        (&other, reads(), at(3), Counted::Admitted(usage(reads(), 1, at(3)))),
        (&login, reads(), at(61), Counted::Admitted(usage(reads(), 1, at(61)))),
    ] {
        assert_eq!(table.count_login(login, bucket, ALL, now).await.unwrap(), expected);
    }
}
