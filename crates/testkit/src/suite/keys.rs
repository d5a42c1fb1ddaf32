//! API keys: admission, limits, and the list of an organisation.

use domain::access::{ApiKey, Bucket, Limits, Minute, OwnLimits, Revocation, Scope, Usage};
use domain::id::KeyId;
use domain::json::sha256_hex_of;
use domain::ports::{Admission, ApiKeys, CommitError, Keys, Window, revoke_with_descendants};
use domain::time::Time;
use futures_util::future::join_all;

use super::Subject;
use crate::build::{Maker, actor, as_itself, at};

const ALL: Limits = Limits { reads: 5, writes: 3 };

fn reads() -> Bucket {
    Bucket::of(Scope::RunsRead, false)
}

fn writes() -> Bucket {
    Bucket::of(Scope::RunsWrite, true)
}

/// Returns the hash of a secret that no other key of the suite has.
fn hash_of(key: &ApiKey) -> String {
    sha256_hex_of(key.id.to_string().as_bytes())
}

async fn keep(store: &impl Subject, key: &ApiKey) -> String {
    let hash = hash_of(key);
    store.table().create_key(key, &hash).await.unwrap();
    hash
}

async fn admit(store: &impl Subject, hash: &str, bucket: Bucket, now: Time) -> Admission {
    store.table().admit(hash, bucket, ALL, now).await.unwrap()
}

fn admitted(admission: Admission) -> (ApiKey, Usage) {
    let Admission::Admitted(key, usage) = admission else { panic!("expected to be admitted: {admission:?}") };
    (key, usage)
}

async fn used(store: &impl Subject, hash: &str, bucket: Bucket, now: Time) -> u32 {
    admitted(admit(store, hash, bucket, now).await).1.used
}

fn page(after: Option<String>, skip: usize, limit: usize) -> Window {
    Window { after, skip, limit, was_beyond_cap: false }
}

/// The hour of its last use is among them.
pub async fn a_key_is_admitted_with_every_field(store: &impl Subject) {
    let maker = Maker::new(38);
    let org = maker.org();
    let bare = maker.key(org, actor("usr_ada"), &["runs:read", "write"]);
    let mut full = maker.key(org, actor("billing-service"), &["api:manage", "read"]);
    full.actor.roles = ["reviewer".to_owned(), "lead".to_owned()].into();
    full.actor.teams = ["payments".to_owned()].into();
    full.limits = OwnLimits { reads: Some(7), writes: Some(1_000) };
    full.valid_until = Some(at(10_000));
    full.ancestors = vec![bare.id, maker.key(org, actor("usr_root"), &[]).id];
    full.actor.principals = ["billing-service".to_owned(), "usr_ada".to_owned(), "usr_root".to_owned()].into();
    for key in [bare, full] {
        let hash = keep(store, &key).await;
        for (seconds, hour) in [(61, 0), (3_599, 0), (3_600, 3_600)] {
            let (found, usage) = admitted(admit(store, &hash, reads(), at(seconds)).await);
            assert_eq!(found, ApiKey { last_used_at: Some(at(hour)), ..key.clone() });
            let limit = key.limits.reads.unwrap_or(ALL.reads);
            assert_eq!(usage, Usage { bucket: reads(), limit, used: 1, minute: Minute::of(at(seconds)) });
        }
    }
}

/// An invented, an expired and a revoked one.
pub async fn a_secret_of_no_valid_key_is_not_admitted(store: &impl Subject) {
    let maker = Maker::new(39);
    let mut key = maker.key(maker.org(), actor("usr_ada"), &["read"]);
    key.valid_until = Some(at(90));
    let hash = keep(store, &key).await;
    for made_up in ["cc".repeat(32), hash.to_uppercase(), String::new()] {
        assert_eq!(admit(store, &made_up, reads(), at(0)).await, Admission::Unknown);
    }
    // It expires to the millisecond, whether or not the store has just seen the key.
    let last = Time::from_millis(at(90).millis() - 1);
    assert_eq!(used(store, &hash, reads(), last).await, 1);
    assert_eq!(admit(store, &hash, reads(), at(90)).await, Admission::Unknown);
    assert_eq!(admit(store, &hash, reads(), at(9_000)).await, Admission::Unknown);
    let mut revoked = maker.key(key.org, actor("usr_ada"), &["read"]);
    revoked.revoked = Some(Revocation { at: at(0), by: "usr_ada".to_owned() });
    let hash = keep(store, &revoked).await;
    assert_eq!(admit(store, &hash, reads(), at(1)).await, Admission::Unknown);
}

/// No count changes another one.
pub async fn requests_are_counted_by_key_bucket_and_minute(store: &impl Subject) {
    let maker = Maker::new(40);
    let org = maker.org();
    let one = keep(store, &maker.key(org, actor("usr_ada"), &["read"])).await;
    let other = keep(store, &maker.key(org, actor("usr_ada"), &["read"])).await;
    let elsewhere = Bucket::of(Scope::FlowsWrite, true);
    assert_eq!([used(store, &one, writes(), at(60)).await, used(store, &one, writes(), at(119)).await], [1, 2]);
    assert_eq!(used(store, &one, reads(), at(119)).await, 1);
    assert_eq!(used(store, &one, elsewhere, at(119)).await, 1);
    assert_eq!(used(store, &other, writes(), at(119)).await, 1);
    assert_eq!(used(store, &one, writes(), at(120)).await, 1);
    // A machine whose clock is late counts in the minute before.
    assert_eq!(used(store, &one, writes(), at(119)).await, 3);
    // An hour later the count is gone.
    assert_eq!([used(store, &one, writes(), at(3_720)).await, used(store, &one, writes(), at(3_721)).await], [1, 2]);
}

/// The next minute has its full limit, and so has another bucket.
pub async fn a_request_over_the_limit_is_refused_and_not_counted(store: &impl Subject) {
    let maker = Maker::new(41);
    let key = maker.key(maker.org(), actor("usr_ada"), &["write"]);
    let mut slow = maker.key(key.org, actor("usr_ada"), &["write"]);
    slow.limits = OwnLimits { reads: None, writes: Some(1) };
    for (key, limit) in [(&key, ALL.writes), (&slow, 1)] {
        let hash = keep(store, key).await;
        for minute in [5, 6] {
            for count in 1..=limit {
                let (_, usage) = admitted(admit(store, &hash, writes(), at(minute * 60)).await);
                assert_eq!((usage.used, usage.limit, usage.remaining()), (count, limit, limit - count));
            }
            for _ in 0..3 {
                let Admission::Exhausted(usage) = admit(store, &hash, writes(), at(minute * 60 + 59)).await else {
                    panic!("the limit is used up")
                };
                assert_eq!(usage, Usage { bucket: writes(), limit, used: limit, minute: Minute::of(at(minute * 60)) });
                assert_eq!((usage.remaining(), usage.minute.end()), (0, at(minute * 60 + 60)));
            }
            let (_, usage) = admitted(admit(store, &hash, reads(), at(minute * 60 + 59)).await);
            assert_eq!((usage.used, usage.limit), (1, ALL.reads));
        }
    }
}

/// Exactly as many, and each of them gets another count.
pub async fn of_64_parallel_requests_as_many_as_the_limit_are_admitted(store: &impl Subject) {
    let maker = Maker::new(42);
    let mut key = maker.key(maker.org(), actor("usr_ada"), &["write"]);
    key.limits.writes = Some(40);
    let hash = keep(store, &key).await;
    for minute in [1, 2] {
        let answers = join_all((0..64).map(|_| admit(store, &hash, writes(), at(minute * 60)))).await;
        let mut counts: Vec<u32> = answers
            .iter()
            .filter_map(|answer| match answer {
                Admission::Admitted(_, usage) => Some(usage.used),
                Admission::Exhausted(_) => None,
                Admission::Unknown => panic!("the key is there"),
            })
            .collect();
        counts.sort_unstable();
        assert_eq!(counts, (1..=40).collect::<Vec<u32>>());
    }
}

/// The first revocation stays, and no request is admitted after it, even if the store has just seen the key.
pub async fn a_key_is_revoked_once_and_at_once(store: &impl Subject) {
    let maker = Maker::new(43);
    let key = maker.key(maker.org(), actor("usr_ada"), &["read"]);
    let hash = keep(store, &key).await;
    let (used_key, _) = admitted(admit(store, &hash, reads(), at(0)).await);
    let first = Revocation { at: at(1), by: "usr_grace".to_owned() };
    let revoked = ApiKey { revoked: Some(first.clone()), ..used_key };
    assert_eq!(store.table().revoke_key(&key.org, &key.id, &first).await.unwrap(), Some(revoked.clone()));
    assert_eq!(admit(store, &hash, reads(), at(1)).await, Admission::Unknown);
    let again = Revocation { at: at(2), by: "usr_eve".to_owned() };
    assert_eq!(store.table().revoke_key(&key.org, &key.id, &again).await.unwrap(), Some(revoked.clone()));
    assert_eq!(admit(store, &hash, reads(), at(61)).await, Admission::Unknown);
    assert_eq!(store.table().api_keys(&key.org, &page(None, 0, 5)).await.unwrap().rows, [revoked]);
}

/// No other key can have its id or its secret.
pub async fn a_key_is_created_once(store: &impl Subject) {
    let maker = Maker::new(44);
    let org = maker.org();
    let key = maker.key(org, actor("usr_ada"), &["read"]);
    let hash = keep(store, &key).await;
    let other = maker.key(org, actor("usr_eve"), &["write"]);
    for (key, hash) in [(&other, hash.clone()), (&ApiKey { name: "Again".to_owned(), ..key.clone() }, hash_of(&other))] {
        let refused = store.table().create_key(key, &hash).await;
        assert!(matches!(refused, Err(CommitError::Changed)), "{refused:?}");
    }
    assert_eq!(store.table().api_keys(&org, &page(None, 0, 5)).await.unwrap().rows, std::slice::from_ref(&key));
    assert_eq!(admitted(admit(store, &hash, reads(), at(0)).await).0.actor, key.actor);
    assert_eq!(admit(store, &hash_of(&other), reads(), at(0)).await, Admission::Unknown);
}

/// By page and by cursor, with their revocations.
pub async fn keys_are_listed_newest_first_page_by_page(store: &impl Subject) {
    let maker = Maker::new(45);
    let org = maker.org();
    let mut all = Vec::new();
    for number in 0..7 {
        let mut key = maker.key(org, actor(&format!("usr_{number}")), &["read", "flows:write"]);
        key.id = KeyId::lowest(at(number));
        key = as_itself(key);
        keep(store, &key).await;
        all.insert(0, key);
    }
    all[2].last_used_at = Some(at(3_600));
    admitted(admit(store, &hash_of(&all[2]), reads(), at(5_000)).await);
    let everything = store.table().api_keys(&org, &page(None, 0, 7)).await.unwrap();
    assert_eq!((everything.rows, everything.next, everything.total), (all.clone(), None, 7));
    let second = store.table().api_keys(&org, &page(None, 3, 3)).await.unwrap();
    assert_eq!((second.rows.as_slice(), second.total), (&all[3..6], 7));
    let third = store.table().api_keys(&org, &page(second.next, 0, 3)).await.unwrap();
    assert_eq!((third.rows.as_slice(), third.next, third.total), (&all[6..], None, 7));
    let beyond = store.table().api_keys(&org, &page(None, 20, 3)).await.unwrap();
    assert_eq!((beyond.rows, beyond.next, beyond.total), (vec![], None, 7));
}

/// They are not in the list and cannot be revoked.
pub async fn keys_of_another_organisation_are_not_found(store: &impl Subject) {
    let maker = Maker::new(46);
    let key = maker.key(maker.org(), actor("usr_ada"), &["read"]);
    let hash = keep(store, &key).await;
    let theirs = maker.org();
    let revocation = Revocation { at: at(0), by: "usr_eve".to_owned() };
    assert_eq!(store.table().revoke_key(&theirs, &key.id, &revocation).await.unwrap(), None);
    let other = maker.key(key.org, actor("usr_ada"), &["read"]);
    assert_eq!(store.table().revoke_key(&key.org, &other.id, &revocation).await.unwrap(), None);
    let page = store.table().api_keys(&theirs, &page(None, 0, 5)).await.unwrap();
    assert_eq!((page.rows, page.next, page.total), (vec![], None, 0));
    assert_eq!(used(store, &hash, reads(), at(0)).await, 1);
}

/// A key that is revoked makes no more keys; one that is not does.
pub async fn a_revoked_key_makes_no_key(store: &impl Subject) {
    let maker = Maker::new(61);
    let org = maker.org();
    let parent = maker.key(org, actor("usr_ada"), &["api:manage"]);
    let hash = keep(store, &parent).await;
    let child = ApiKey { ancestors: vec![parent.id], ..maker.key(org, actor("usr_ada"), &["read"]) };
    store.table().create_key_under(&child, &hash_of(&child), &hash).await.unwrap();
    assert_eq!(used(store, &hash_of(&child), reads(), at(0)).await, 1);
    let late = maker.key(org, actor("usr_ada"), &["read"]);
    let nobody = maker.key(org, actor("usr_ada"), &["read"]);
    let unknown = store.table().create_key_under(&late, &hash_of(&late), &hash_of(&nobody)).await;
    assert!(matches!(unknown, Err(CommitError::Changed)), "{unknown:?}");
    store.table().revoke_key(&org, &parent.id, &Revocation { at: at(1), by: "usr_eve".to_owned() }).await.unwrap();
    let refused = store.table().create_key_under(&late, &hash_of(&late), &hash).await;
    assert!(matches!(refused, Err(CommitError::Changed)), "{refused:?}");
    assert_eq!(admit(store, &hash_of(&late), reads(), at(1)).await, Admission::Unknown);
}

/// What a key has made goes with it, to the last generation, and nothing else does.
pub async fn a_key_is_revoked_with_what_it_has_made(store: &impl Subject) {
    let maker = Maker::new(62);
    let org = maker.org();
    let under = |ancestors: &[&ApiKey]| {
        let ancestors = ancestors.iter().map(|key| key.id).collect();
        ApiKey { ancestors, ..maker.key(org, actor("usr_ada"), &["api:manage", "read"]) }
    };
    let root = under(&[]);
    let parent = under(&[&root]);
    let (child, other) = (under(&[&root, &parent]), under(&[&root]));
    let grandchild = under(&[&root, &parent, &child]);
    let many: Vec<ApiKey> = (0..120).map(|_| under(&[&root, &parent])).collect();
    for key in [&root, &parent, &child, &other, &grandchild].into_iter().chain(&many) {
        keep(store, key).await;
    }
    let revocation = Revocation { at: at(5), by: "usr_eve".to_owned() };
    let revoked = revoke_with_descendants(store.table(), &org, &parent.id, &revocation).await.unwrap().unwrap();
    assert_eq!((revoked.id, revoked.revoked), (parent.id, Some(revocation.clone())));
    for key in [&parent, &child, &grandchild].into_iter().chain(&many) {
        assert_eq!(admit(store, &hash_of(key), reads(), at(6)).await, Admission::Unknown);
    }
    for key in [&root, &other] {
        assert_eq!(used(store, &hash_of(key), reads(), at(6)).await, 1);
    }
    let elsewhere = revoke_with_descendants(store.table(), &maker.org(), &root.id, &revocation).await.unwrap();
    assert_eq!(elsewhere, None);
}
