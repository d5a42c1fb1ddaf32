//! The responses of a trigger to events as API Gateway sends them. Only a caller with a valid signature gets details.
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

/// A change of the flow.
type Change = fn(Flow) -> Flow;

struct Setup {
    deployment: Deployment,
    secrets: WebhookTriggerSecrets<Memory, MemoryVault, ManualClock>,
}

impl Setup {
    fn with(change: impl FnOnce(Flow) -> Flow) -> Self {
        let deployment = Deployment::of(&chain(1));
        let secrets = WebhookTriggerSecrets { triggers: deployment.store.clone(), vault: MemoryVault, clock: deployment.clock.clone() };
        let token: WebhookToken = format!("wht_{RANDOM}").parse().unwrap();
        let flow = Flow { trigger: FlowTrigger::Webhook(token.clone()), ..deployment.flow.clone() };
        block_on(&deployment.clock, async {
            let place = WebhookTrigger::place_of(flow.org, flow.id);
            let secret = MemoryVault.seal(&place, &secret()).await.unwrap();
            let webhook =
                WebhookTrigger { org: flow.org, flow: flow.id, secret, changed_by: None, previous: None, previous_changed_by: None };
            deployment.store.put_webhook(&token, &webhook, None).await.unwrap();
            deployment.store.update_flow(&deployment.flow, &change(flow), None).await.unwrap();
        });
        Self { deployment, secrets }
    }

    fn answer(&self, event: &Value) -> HttpResponse {
        let request = lambda_http::request::from_str(&event.to_string()).unwrap();
        let handler = |call| handle(&self.deployment.engine, &self.secrets, &self.deployment.entropy, call);
        block_on(&self.deployment.clock, respond_public(ENDPOINT, &handler, request))
    }

    fn runs(&self) -> usize {
        self.deployment.store.all_runs().len()
    }
}

fn secret() -> SecretString {
    SecretString::from(format!("whsec_{RANDOM}"))
}

fn event(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Returns the event with a header set to `value`, or without the header.
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

/// Returns the sample with another body and a valid signature.
fn signed(body: &str) -> Value {
    let mut event = with_header(event(SIGNED), "X-Quantum-Signature", Some(&sign(&secret(), body.as_bytes())));
    event["body"] = json!(body);
    event
}

#[test]
fn a_signed_call_starts_a_run_whichever_way_its_body_arrives() {
    let setup = Setup::with(|flow| flow);
    let answer = setup.answer(&event(SIGNED));
    assert_eq!(answer.status, 202, "{}", answer.body);
    let run = &answer.body["data"]["run"];
    assert_eq!((&run["trigger"], &run["startedBy"]), (&json!("webhook"), &json!("trigger:webhook")));
    assert_eq!(run["flowId"], json!(setup.deployment.flow.id));
    // The same delivery again. This time the gateway treats it as binary.
    let again = setup.answer(&event(IN_BASE64));
    assert_eq!((again.status, &again.body["data"]["run"]["id"], setup.runs()), (202, &run["id"], 1));
    // Another delivery with unusual white space in its JSON.
    let body = "{ \"a\" :\t[1 , 2],\r\n\"b\": \"\\u00fc\" }";
    let mut odd = with_header(signed(body), "X-Quantum-Delivery", Some("another"));
    odd["body"] = json!(STANDARD.encode(body));
    odd["isBase64Encoded"] = json!(true);
    assert_eq!((setup.answer(&odd).status, setup.runs()), (202, 2));
    // An empty body is an empty object.
    let empty = with_header(signed(""), "X-Quantum-Delivery", None);
    assert_eq!((setup.answer(&empty).status, setup.runs()), (202, 3));
}

#[test]
fn a_caller_without_a_valid_signature_gets_no_details() {
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
        ("a malformed token", active, malformed(event(SIGNED))),
        ("no signature", active, with_header(event(SIGNED), "X-Quantum-Signature", None)),
        ("an empty signature", active, with_header(event(SIGNED), "X-Quantum-Signature", Some(""))),
        ("a signature that is not hexadecimal", active, with_header(event(SIGNED), "X-Quantum-Signature", Some("sha256=zz"))),
        ("the signature of another secret", active, with_header(event(SIGNED), "X-Quantum-Signature", Some(&other))),
        ("another body", active, altered),
        ("no JSON and no signature", active, not_json),
        ("a bad delivery for an unknown token", active, bad_delivery),
        ("a paused flow", |flow| Flow { status: FlowStatus::Paused, ..flow }, event(SIGNED)),
        ("a draft", |flow| Flow { status: FlowStatus::Draft, ..flow }, event(SIGNED)),
        ("a flow with another trigger", |flow| Flow { trigger: FlowTrigger::Api, ..flow }, event(SIGNED)),
        ("a paused flow and no JSON", |flow| Flow { status: FlowStatus::Paused, ..flow }, signed("{")),
    ];
    let mut answers = Vec::new();
    for (what, change, event) in cases {
        let setup = Setup::with(change);
        let answer = setup.answer(&event);
        assert_eq!((answer.status, setup.runs()), (401, 0), "{what}");
        answers.push((what, answer));
    }
    let (_, first) = &answers[0];
    assert_eq!(first.body, json!({"error": "unknown webhook or invalid signature"}));
    for (what, answer) in &answers {
        assert_eq!(answer, first, "{what}");
    }
}

#[test]
fn size_and_media_type_are_checked_for_every_caller() {
    for token in [RANDOM.to_owned(), "b".repeat(32)] {
        let to = |mut event: Value| {
            event["pathParameters"] = json!({"token": format!("wht_{token}")});
            event
        };
        let setup = Setup::with(|flow| flow);
        let large = setup.answer(&to(signed(&format!("\"{}\"", "x".repeat(MAX_BYTES - 1)))));
        assert_eq!((large.status, large.body), (413, json!({"error": "the body has more than 1000000 bytes"})));
        for media in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
            assert_eq!(setup.answer(&to(with_header(event(SIGNED), "Content-Type", Some(media)))).status, 415, "{media}");
        }
        assert_eq!(setup.runs(), 0);
    }
    let setup = Setup::with(|flow| flow);
    let fits = signed(&format!("\"{}\"", "x".repeat(MAX_BYTES - 2)));
    assert_eq!(setup.answer(&fits).status, 202);
    let other = with_header(with_header(event(SIGNED), "Content-Type", Some("application/cloudevents+json")), "X-Quantum-Delivery", None);
    assert_eq!((setup.answer(&other).status, setup.runs()), (202, 2));
}

#[test]
fn a_caller_with_a_valid_signature_gets_the_problems() {
    let setup = Setup::with(|flow| flow);
    let not_json = setup.answer(&signed("{\"a\": }"));
    assert_eq!((not_json.status, not_json.body["details"]["fieldErrors"]["body"].is_array()), (400, true));
    for bad in ["", &"d".repeat(256)] {
        let answer = setup.answer(&with_header(event(SIGNED), "X-Quantum-Delivery", Some(bad)));
        let problem = json!(["must have 1 to 255 characters"]);
        assert_eq!((answer.status, &answer.body["details"]["fieldErrors"]["X-Quantum-Delivery"]), (400, &problem));
    }
    assert_eq!(setup.runs(), 0);
}
