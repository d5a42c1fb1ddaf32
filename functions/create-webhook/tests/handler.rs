//! From the request that creates a webhook to its stored secret.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up should stop at once")]

use api::{HttpResponse, KeyAdmission};
use create_webhook::{ENDPOINT, handle};
use domain::access::{Environment, Limits, Secret};
use domain::ports::{ApiKeys, Vault, WebhookEndpoints};
use domain::webhook::{Endpoint, MAX_ENDPOINTS};
use nodes::Egress;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use testkit::build::{Maker, actor, at};
use testkit::{Faults, ManualClock, Memory, MemoryVault, SeededEntropy, block_on};

const LIMITS: Limits = Limits { reads: 600, writes: 120 };

struct Setup {
    table: Memory,
    clock: ManualClock,
    entropy: SeededEntropy,
    secret: Secret,
}

impl Setup {
    fn new() -> Self {
        let (table, clock, secret) = (Memory::new(Faults::none()), ManualClock::at(at(0)), Secret::new(Environment::Live, [1, 2]));
        let maker = Maker::new(1);
        let key = maker.key(maker.org(), actor("usr_ada"), &["webhooks:manage"]);
        block_on(&clock, table.create_key(&key, &secret.sha256())).unwrap();
        Self { table, clock, entropy: SeededEntropy::new(2), secret }
    }

    /// Returns the response to the sample event with changed fields in its body.
    fn respond(&self, change: &Value) -> HttpResponse {
        let mut event: Value = serde_json::from_str(include_str!("../../../events/create-webhook/for-runs-and-orders.json")).unwrap();
        let bearer = format!("Bearer {}", self.secret.reveal());
        event["headers"]["Authorization"] = bearer.as_str().into();
        event["multiValueHeaders"]["Authorization"] = json!([bearer]);
        let mut body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        event["body"] = body.to_string().into();
        let admission = KeyAdmission::new(ENDPOINT, self.table.clone(), self.clock.clone(), LIMITS);
        let handler = async |call| handle(&self.table, &MemoryVault, Egress::default(), (&self.clock, &self.entropy), call).await;
        block_on(&self.clock, admission.respond(&handler, lambda_http::request::from_str(&event.to_string()).unwrap()))
    }

    fn stored(&self) -> Vec<Endpoint> {
        block_on(&self.clock, self.table.endpoints(&Maker::new(1).org())).unwrap().all
    }
}

#[test]
fn the_secret_that_is_shown_is_the_one_that_is_stored_for_that_endpoint() {
    let setup = Setup::new();
    let answer = setup.respond(&json!({}));
    assert_eq!(answer.status, 201);
    let shown = &answer.body["data"]["webhook"];
    let stored = setup.stored();
    let [endpoint] = stored.as_slice() else { panic!("{stored:?}") };
    assert_eq!((&shown["id"], &shown["url"]), (&json!(endpoint.id), &json!("https://hooks.example.com/runs")));
    let place = Endpoint::secret_place(&Maker::new(1).org(), &endpoint.id);
    let secret = block_on(&setup.clock, MemoryVault.open(&place, &endpoint.secret)).unwrap();
    assert_eq!(shown["secret"], secret.expose_secret());
    assert!(endpoint.secret.text() != secret.expose_secret());
}

#[test]
fn a_webhook_that_is_refused_is_not_stored() {
    let setup = Setup::new();
    for (change, fields) in [
        (json!({"url": "https://127.0.0.1/"}), vec!["url"]),
        (json!({"url": "https://[fd00::1]/", "events": [], "secret": "mine"}), vec!["events", "secret", "url"]),
        (json!({"url": 7}), vec!["url"]),
        (json!({"url": null, "events": null}), vec!["events", "url"]),
    ] {
        let answer = setup.respond(&change);
        let found: Vec<&String> = answer.body["details"]["fieldErrors"].as_object().unwrap().keys().collect();
        assert_eq!((answer.status, found), (400, fields.iter().map(ToString::to_string).collect::<Vec<_>>().iter().collect()), "{change}");
    }
    assert!(setup.stored().is_empty());
}

#[test]
fn the_number_of_webhooks_is_limited() {
    let setup = Setup::new();
    for _ in 0..MAX_ENDPOINTS {
        assert_eq!(setup.respond(&json!({})).status, 201);
    }
    let answer = setup.respond(&json!({}));
    assert_eq!((answer.status, answer.body["error"].as_str().unwrap().contains("50 webhooks")), (422, true));
    assert_eq!(setup.stored().len(), MAX_ENDPOINTS);
}
