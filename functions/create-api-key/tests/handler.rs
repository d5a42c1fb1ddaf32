//! From the request that creates a key to the first call with it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up should stop at once")]

use api::{HttpResponse, KeyAdmission};
use create_api_key::{ENDPOINT, handle};
use domain::access::{Bucket, Environment, Limits, Scope, Secret};
use domain::ports::{Admission, ApiKeys, Keys, Window};
use serde_json::{Value, json};
use testkit::build::{Maker, actor, at};
use testkit::{Faults, ManualClock, Memory, SeededEntropy, block_on};

const LIMITS: Limits = Limits { reads: 600, writes: 120 };

/// Returns the response to the sample event with a changed body, sent with a live key of these scopes.
fn answer(keys: &Memory, scopes: &[&str], change: impl FnOnce(&mut Value)) -> HttpResponse {
    let clock = ManualClock::at(at(0));
    let maker = Maker::new(1);
    let (org, entropy) = (maker.org(), SeededEntropy::new(2));
    let secret = Secret::new(Environment::Live, [1, 2]);
    block_on(&clock, keys.create_key(&maker.key(org, actor("usr_ada"), scopes), &secret.sha256())).unwrap();
    let mut event: Value = serde_json::from_str(include_str!("../../../events/create-api-key/for-a-service.json")).unwrap();
    let bearer = format!("Bearer {}", secret.reveal());
    event["headers"]["Authorization"] = bearer.as_str().into();
    event["multiValueHeaders"]["Authorization"] = json!([bearer]);
    let mut body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
    change(&mut body);
    event["body"] = body.to_string().into();
    let admission = KeyAdmission::new(ENDPOINT, keys.clone(), clock.clone(), LIMITS);
    let handler = async |call| handle(keys, &clock, &entropy, call).await;
    block_on(&clock, admission.respond(&handler, lambda_http::request::from_str(&event.to_string()).unwrap()))
}

#[test]
fn a_new_key_is_shown_once_and_works() {
    let keys = Memory::new(Faults::none());
    let answer = answer(&keys, &["api:manage", "actors:manage", "flows:read", "write"], |_| {});
    assert_eq!(answer.status, 201);
    let mut shown = answer.body["data"]["apiKey"].clone();
    let secret: Secret = shown["key"].take().as_str().unwrap().parse().unwrap();
    assert_eq!(secret.environment(), Environment::Live, "like the key that created it");
    let id = shown["id"].take();
    assert_eq!(
        shown,
        json!({
            "id": null, "key": null, "name": "Nightly import", "scopes": ["flows:read", "runs:write"], "actor": "import-service",
            "roles": ["operator"], "teams": ["payments"], "createdAt": "2026-01-01T00:00:00.000Z", "createdBy": "usr_ada",
            "expiresAt": "2097-06-30T00:00:00.000Z",
        })
    );
    let clock = ManualClock::at(at(1));
    let bucket = Bucket::of(Scope::RunsWrite, true);
    let admission = block_on(&clock, keys.admit(&secret.sha256(), bucket, LIMITS, at(1))).unwrap();
    let Admission::Admitted(key, usage) = admission else { panic!("{admission:?}") };
    assert_eq!((key.id.to_string().as_str(), usage.used), (id.as_str().unwrap(), 1));
    assert!(key.allows(Scope::RunsWrite) && key.allows(Scope::FlowsRead) && !key.allows(Scope::RunsRead));
}

#[test]
fn a_key_that_is_refused_is_not_stored() {
    for (scopes, change, status, fields) in [
        (&["api:manage"][..], json!({}), 422, vec!["scopes[0]", "scopes[1]"]),
        (&["api:manage", "read"], json!({}), 422, vec!["scopes[1]"]),
        (&["api:manage", "read", "write"], json!({"name": "", "scope": "runs:read"}), 400, vec!["name", "scope"]),
    ] {
        let keys = Memory::new(Faults::none());
        let answer = answer(&keys, scopes, |body| body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone()));
        assert_eq!(answer.status, status, "{}", answer.body);
        let found: Vec<&String> = answer.body["details"]["fieldErrors"].as_object().unwrap().keys().collect();
        assert_eq!(found, fields);
        let clock = ManualClock::at(at(1));
        let page = block_on(&clock, keys.api_keys(&Maker::new(1).org(), &Window { after: None, skip: 0, limit: 9, was_beyond_cap: false }))
            .unwrap();
        assert_eq!(page.total, 1, "only the caller's own key");
    }
}
