//! From the request that registers a connection to its sealed key, which can be opened for this connection only.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up should stop at once")]

use api::{HttpResponse, KeyAdmission};
use domain::access::{Environment, Limits, Secret};
use domain::connection::{Connection, NewConnection};
use domain::id::OrgId;
use domain::network::PrivateNetworkSwitch;
use domain::ports::{ApiKeys, Connections, PortError, Vault};
use nodes::Egress;
use put_connection::{ENDPOINT, handle};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use testkit::build::{Maker, actor, at};
use testkit::{Faults, ManualClock, Memory, MemoryVault, SeededEntropy, block_on};

const LIMITS: Limits = Limits { reads: 600, writes: 120 };
const EVENT: &str = include_str!("../../../events/put-connection/with-a-key.json");
const KEY: &str = "sk-not-a-real-key";

/// Returns the response to the sample event with a changed body. Each `seed` is an organisation of its own.
fn answer(store: &Memory, seed: u64, change: impl FnOnce(&mut Value)) -> (HttpResponse, OrgId) {
    let clock = ManualClock::at(at(seed));
    let maker = Maker::new(seed);
    let (org, entropy) = (maker.org(), SeededEntropy::new(seed));
    let secret = Secret::new(Environment::Live, [seed.into(), 2]);
    _ = block_on(&clock, store.create_key(&maker.key(org, actor("usr_ada"), &["service-connections:write"]), &secret.sha256()));
    let mut event: Value = serde_json::from_str(EVENT).unwrap();
    let bearer = format!("Bearer {}", secret.reveal());
    event["headers"]["Authorization"] = bearer.as_str().into();
    event["multiValueHeaders"]["Authorization"] = json!([bearer]);
    let mut body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
    change(&mut body);
    event["body"] = body.to_string().into();
    let admission = KeyAdmission::new(ENDPOINT, store.clone(), clock.clone(), LIMITS);
    let handler = async |call| handle(store, &MemoryVault, Egress::default(), &clock, &entropy, call).await;
    (block_on(&clock, admission.respond(&handler, lambda_http::request::from_str(&event.to_string()).unwrap())), org)
}

fn stored(store: &Memory, org: &OrgId) -> Option<Connection> {
    block_on(&ManualClock::at(at(0)), store.connection(org, &"custom:crm".parse().unwrap())).unwrap()
}

#[test]
fn the_key_is_stored_sealed_and_is_not_in_the_response() {
    let store = Memory::new(Faults::none());
    let (answer, org) = answer(&store, 1, |_| {});
    assert_eq!(answer.status, 201);
    let shown = &answer.body["data"]["connection"];
    assert_eq!(
        *shown,
        json!({
            "id": shown["id"], "serviceSlug": "custom:crm", "baseUrl": "https://crm.example.com/v2", "apiKeyHash": shown["apiKeyHash"],
            "authHeader": "Authorization", "authScheme": "Bearer", "healthPath": "/health", "active": true,
            "createdAt": "2026-01-01T00:00:01.000Z", "updatedAt": "2026-01-01T00:00:01.000Z",
        })
    );
    assert!(!answer.body.to_string().contains(KEY));
    let connection = stored(&store, &org).unwrap();
    let key = connection.key.unwrap();
    assert!(!key.sealed.text().contains(KEY));
    let opened = block_on(&ManualClock::at(at(0)), MemoryVault.open(&Connection::place(&org, &connection.slug), &key.sealed)).unwrap();
    assert_eq!(opened.expose_secret(), KEY);
}

#[test]
fn a_sealed_key_cannot_be_opened_for_another_organisation_or_slug() {
    let store = Memory::new(Faults::none());
    let (_, ours) = answer(&store, 1, |_| {});
    let (_, theirs) = answer(&store, 2, |_| {});
    let [our_key, their_key] = [ours, theirs].map(|org| stored(&store, &org).unwrap().key.unwrap());
    assert_ne!(our_key.sealed, their_key.sealed);
    assert_ne!(our_key.hash, their_key.hash, "of the same key");
    for place in [Connection::place(&ours, &"custom:crm".parse().unwrap()), Connection::place(&theirs, &"custom:erp".parse().unwrap())] {
        let opened = block_on(&ManualClock::at(at(0)), MemoryVault.open(&place, &their_key.sealed));
        assert!(matches!(opened, Err(PortError::Corrupt(_))), "{place:?}");
    }
}

#[test]
fn a_second_registration_replaces_the_first() {
    let store = Memory::new(Faults::none());
    let (first, org) = answer(&store, 1, |_| {});
    let (second, _) = answer(&store, 1, |body| body["apiKey"] = "sk-another-key".into());
    assert_eq!((first.status, second.status), (201, 200));
    let [first, second] = [first, second].map(|answer| answer.body["data"]["connection"].clone());
    assert_eq!(first["id"], second["id"]);
    assert_ne!(first["apiKeyHash"], second["apiKeyHash"]);
    assert_eq!(stored(&store, &org).unwrap().key.unwrap().hash, second["apiKeyHash"]);
}

#[test]
fn a_private_base_url_needs_an_open_range() {
    let store = Memory::new(Faults::none());
    let private = |body: &mut Value| body["baseUrl"] = "https://10.1.2.3/crm".into();
    let (refused, org) = answer(&store, 1, private);
    assert_eq!(refused.status, 400);
    assert!(refused.body["details"]["fieldErrors"]["baseUrl"][0].as_str().unwrap().contains("is a private address"), "{}", refused.body);
    assert_eq!(stored(&store, &org), None);
    block_on(&ManualClock::at(at(0)), store.open_range(&org, &"10.1.0.0/16".parse().unwrap())).unwrap();
    assert_eq!(answer(&store, 1, private).0.status, 201);
    assert_eq!(answer(&store, 2, private).0.status, 400, "it is open to one organisation");
}

#[test]
fn the_sample_event_is_valid() {
    let event: Value = serde_json::from_str(EVENT).unwrap();
    let body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
    assert!(NewConnection::parse(body.as_object().unwrap()).is_ok());
}
