//! What callers of a trigger get in answer to events as API Gateway sends them: the details if they have signed, nothing otherwise.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up should stop at once")]

use api::{HttpResponse, respond_public};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::flow::{Flow, FlowStatus, FlowTrigger};
use domain::ports::{Flows, Vault, WebhookTriggers};
use domain::signature::sign;
use domain::trigger::{WebhookToken, WebhookTrigger};
use engine::WebhookTriggerSecrets;
use receive_trigger::{ENDPOINT, MAX_BYTES, handle};
use secrecy::SecretString;
use serde_json::{Value, json};
use testkit::build::chain;
use testkit::{Deployment, ManualClock, Memory, MemoryVault, block_on};

const SIGNED: &str = include_str!("../../../events/receive-trigger/signed.json");
const IN_BASE64: &str = include_str!("../../../events/receive-trigger/signed-in-base64.json");
/// The token and the secret of the sample events.
const RANDOM: &str = "abcdefghijklmnopqrstuvwxyz234567";

/// What has become of the flow.
type Change = fn(Flow) -> Flow;

struct Site {
    world: Deployment,
    secrets: WebhookTriggerSecrets<Memory, MemoryVault, ManualClock>,
}

impl Site {
    fn with(change: impl FnOnce(Flow) -> Flow) -> Self {
        let world = Deployment::of(&chain(1));
        let secrets = WebhookTriggerSecrets { triggers: world.store.clone(), vault: MemoryVault, clock: world.clock.clone() };
        let token: WebhookToken = format!("wht_{RANDOM}").parse().unwrap();
        let flow = Flow { trigger: FlowTrigger::Webhook(token.clone()), ..world.flow.clone() };
        block_on(&world.clock, async {
            let place = WebhookTrigger::place_of(flow.org, flow.id);
            let secret = MemoryVault.seal(&place, &secret()).await.unwrap();
            let webhook = WebhookTrigger { org: flow.org, flow: flow.id, secret, previous: None };
            world.store.put_webhook(&token, &webhook, None).await.unwrap();
            world.store.update_flow(&world.flow, &change(flow), None).await.unwrap();
        });
        Self { world, secrets }
    }

    fn answer(&self, event: &Value) -> HttpResponse {
        let request = lambda_http::request::from_str(&event.to_string()).unwrap();
        let handler = |call| handle(&self.world.engine, &self.secrets, &self.world.entropy, call);
        block_on(&self.world.clock, respond_public(ENDPOINT, &handler, request))
    }

    fn runs(&self) -> usize {
        self.world.store.all_runs().len()
    }
}

fn secret() -> SecretString {
    SecretString::from(format!("whsec_{RANDOM}"))
}

fn event(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The signed sample with a header set, or without it.
fn with_header(mut event: Value, name: &str, value: Option<&str>) -> Value {
    for (headers, many) in [("headers", false), ("multiValueHeaders", true)] {
        let headers = event[headers].as_object_mut().unwrap();
        match value {
            Some(value) => headers.insert(name.to_owned(), if many { json!([value]) } else { json!(value) }),
            None => headers.remove(name),
        };
    }
    event
}

/// The sample with another body, rightly signed.
fn signed(body: &str) -> Value {
    let mut event = with_header(event(SIGNED), "X-Quantum-Signature", Some(&sign(&secret(), body.as_bytes())));
    event["body"] = json!(body);
    event
}

#[test]
fn a_signed_call_starts_a_run_whichever_way_its_body_arrives() {
    let site = Site::with(|flow| flow);
    let answer = site.answer(&event(SIGNED));
    assert_eq!(answer.status, 202, "{}", answer.body);
    let run = &answer.body["data"]["run"];
    assert_eq!((&run["trigger"], &run["startedBy"]), (&json!("webhook"), &json!("trigger:webhook")));
    assert_eq!(run["flowId"], json!(site.world.flow.id));
    // The same delivery, and this time the gateway takes it for binary.
    let again = site.answer(&event(IN_BASE64));
    assert_eq!((again.status, &again.body["data"]["run"]["id"], site.runs()), (202, &run["id"], 1));
    // Another one, whose bytes are spaced as nobody would write them.
    let body = "{ \"a\" :\t[1 , 2],\r\n\"b\": \"\\u00fc\" }";
    let mut odd = with_header(signed(body), "X-Quantum-Delivery", Some("another"));
    odd["body"] = json!(STANDARD.encode(body));
    odd["isBase64Encoded"] = json!(true);
    assert_eq!((site.answer(&odd).status, site.runs()), (202, 2));
    // An empty body is an empty object.
    let empty = with_header(signed(""), "X-Quantum-Delivery", None);
    assert_eq!((site.answer(&empty).status, site.runs()), (202, 3));
}

#[test]
fn whoever_has_not_signed_learns_nothing() {
    let unknown = |mut event: Value| {
        let token = format!("wht_{}", "b".repeat(32));
        event["path"] = json!(format!("/api/triggers/wh/{token}"));
        event["pathParameters"] = json!({"token": token});
        event
    };
    let malformed = |mut event: Value| {
        event["pathParameters"] = json!({"token": "wht_%00"});
        event
    };
    let other = sign(&SecretString::from("another"), event(SIGNED)["body"].as_str().unwrap().as_bytes());
    let mut altered = event(SIGNED);
    altered["body"] = json!(altered["body"].as_str().unwrap().replace("A-1043", "A-1044"));
    let mut not_json = with_header(event(SIGNED), "X-Quantum-Signature", None);
    not_json["body"] = json!("{");
    let bad_delivery = with_header(unknown(event(SIGNED)), "X-Quantum-Delivery", Some(&"x".repeat(300)));
    let active = |flow: Flow| flow;
    let cases: Vec<(&str, Change, Value)> = vec![
        ("an unknown token", active, unknown(event(SIGNED))),
        ("what is no token", active, malformed(event(SIGNED))),
        ("no signature", active, with_header(event(SIGNED), "X-Quantum-Signature", None)),
        ("an empty signature", active, with_header(event(SIGNED), "X-Quantum-Signature", Some(""))),
        ("a signature that is no hex", active, with_header(event(SIGNED), "X-Quantum-Signature", Some("sha256=zz"))),
        ("somebody else's signature", active, with_header(event(SIGNED), "X-Quantum-Signature", Some(&other))),
        ("another body", active, altered),
        ("no JSON, not signed", active, not_json),
        ("a bad delivery for an unknown token", active, bad_delivery),
        ("a paused flow", |flow| Flow { status: FlowStatus::Paused, ..flow }, event(SIGNED)),
        ("a draft", |flow| Flow { status: FlowStatus::Draft, ..flow }, event(SIGNED)),
        ("a flow that has left its webhook", |flow| Flow { trigger: FlowTrigger::Api, ..flow }, event(SIGNED)),
        ("a paused flow and no JSON", |flow| Flow { status: FlowStatus::Paused, ..flow }, signed("{")),
    ];
    let mut answers = Vec::new();
    for (what, change, event) in cases {
        let site = Site::with(change);
        let answer = site.answer(&event);
        assert_eq!((answer.status, site.runs()), (401, 0), "{what}");
        answers.push((what, answer));
    }
    let (_, first) = &answers[0];
    assert_eq!(first.body, json!({"error": "unknown webhook or invalid signature"}));
    for (what, answer) in &answers {
        assert_eq!(answer, first, "{what}");
    }
}

#[test]
fn size_and_media_type_are_judged_whoever_calls() {
    for token in [RANDOM.to_owned(), "b".repeat(32)] {
        let to = |mut event: Value| {
            event["pathParameters"] = json!({"token": format!("wht_{token}")});
            event
        };
        let site = Site::with(|flow| flow);
        let large = site.answer(&to(signed(&format!("\"{}\"", "x".repeat(MAX_BYTES - 1)))));
        assert_eq!((large.status, large.body), (413, json!({"error": "the body has more than 1000000 bytes"})));
        for media in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
            assert_eq!(site.answer(&to(with_header(event(SIGNED), "Content-Type", Some(media)))).status, 415, "{media}");
        }
        assert_eq!(site.runs(), 0);
    }
    let site = Site::with(|flow| flow);
    let fits = signed(&format!("\"{}\"", "x".repeat(MAX_BYTES - 2)));
    assert_eq!(site.answer(&fits).status, 202);
    let other = with_header(with_header(event(SIGNED), "Content-Type", Some("application/cloudevents+json")), "X-Quantum-Delivery", None);
    assert_eq!((site.answer(&other).status, site.runs()), (202, 2));
}

#[test]
fn whoever_has_signed_is_told_what_is_wrong() {
    let site = Site::with(|flow| flow);
    let not_json = site.answer(&signed("{\"a\": }"));
    assert_eq!((not_json.status, not_json.body["details"]["fieldErrors"]["body"].is_array()), (400, true));
    for bad in ["", &"d".repeat(256)] {
        let answer = site.answer(&with_header(event(SIGNED), "X-Quantum-Delivery", Some(bad)));
        let problem = json!(["must have 1 to 255 characters"]);
        assert_eq!((answer.status, &answer.body["details"]["fieldErrors"]["X-Quantum-Delivery"]), (400, &problem));
    }
    assert_eq!(site.runs(), 0);
}
