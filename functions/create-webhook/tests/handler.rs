//! From the request that creates a webhook to its stored secret.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up should stop at once")]

use api::{HttpResponse, KeyAdmission};
use create_webhook::{ENDPOINT, handle};
use domain::access::{Environment, Limits, Secret};
use domain::ports::{ApiKeys, Vault, WebhookEndpoints};
use domain::webhook::{Endpoint, MAX_ENDPOINTS, Target};
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
        self.respond_with(change, true)
    }

    /// Returns the same in a deployment that sends mails, or does not.
    fn respond_with(&self, change: &Value, sends_mail: bool) -> HttpResponse {
        let mut event: Value = serde_json::from_str(include_str!("../../../events/create-webhook/for-runs-and-orders.json")).unwrap();
        let bearer = format!("Bearer {}", self.secret.reveal());
        event["headers"]["Authorization"] = bearer.as_str().into();
        event["multiValueHeaders"]["Authorization"] = json!([bearer]);
        let mut body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        event["body"] = body.to_string().into();
        let admission = KeyAdmission::new(ENDPOINT, self.table.clone(), self.clock.clone(), LIMITS);
        let handler =
            async |call| handle(&self.table, &MemoryVault, (Egress::default(), sends_mail), (&self.clock, &self.entropy), call).await;
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
    assert_eq!((&shown["kind"], &shown["to"]), (&json!("webhook"), &Value::Null));
    let place = Endpoint::secret_place(&Maker::new(1).org(), &endpoint.id);
    let Target::Webhook { secret: sealed, .. } = &endpoint.target else { panic!("{endpoint:?}") };
    let secret = block_on(&setup.clock, MemoryVault.open(&place, sealed)).unwrap();
    assert_eq!(shown["secret"], secret.expose_secret());
    assert!(sealed.text() != secret.expose_secret());
}

#[test]
fn of_a_url_of_slack_only_the_host_is_shown_and_the_rest_is_sealed() {
    let setup = Setup::new();
    let url = "https://hooks.example.com/services/T0/B0/hidden";
    let answer = setup.respond(&json!({"kind": "slack", "url": url}));
    let shown = &answer.body["data"]["webhook"];
    assert_eq!((answer.status, &shown["kind"], &shown["url"]), (201, &json!("slack"), &json!("https://hooks.example.com")));
    assert!(shown.get("secret").is_none() && !answer.body.to_string().contains("hidden"));
    let stored = setup.stored();
    let Target::Slack { url: sealed, .. } = &stored[0].target else { panic!("{stored:?}") };
    let place = Endpoint::secret_place(&Maker::new(1).org(), &stored[0].id);
    assert_eq!(block_on(&setup.clock, MemoryVault.open(&place, sealed)).unwrap().expose_secret(), url);
    assert_eq!(setup.respond(&json!({"kind": "slack", "url": "https://127.0.0.1/services"})).status, 400);
}

#[test]
fn an_endpoint_for_mails_needs_a_deployment_that_sends_mails() {
    let setup = Setup::new();
    let body = json!({"kind": "email", "to": ["ada@example.org"], "url": null});
    let refused = setup.respond_with(&body, false);
    assert_eq!(refused.status, 422);
    assert!(refused.body["details"]["fieldErrors"]["kind"][0].as_str().unwrap().contains("MailFrom"), "{}", refused.body);
    assert!(setup.stored().is_empty());
    let answer = setup.respond_with(&body, true);
    let shown = &answer.body["data"]["webhook"];
    assert_eq!((answer.status, &shown["kind"], &shown["to"]), (201, &json!("email"), &json!(["ada@example.org"])));
    assert!(shown.get("secret").is_none() && shown.get("url").is_none());
    assert_eq!(setup.stored()[0].target, Target::Email { to: vec!["ada@example.org".to_owned()] });
}

#[test]
fn a_webhook_that_is_refused_is_not_stored() {
    let setup = Setup::new();
    for (change, fields) in [
        (json!({"url": "https://127.0.0.1/"}), vec!["url"]),
        (json!({"url": "https://[fd00::1]/", "events": [], "secret": "mine"}), vec!["events", "secret", "url"]),
        (json!({"url": 7}), vec!["url"]),
        (json!({"url": null, "events": null}), vec!["events", "url"]),
        (json!({"kind": "email", "to": ["ada@example.org", "ada"]}), vec!["to[1]", "url"]),
        (json!({"kind": "pager"}), vec!["kind"]),
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
