//! Webhook triggers: signed calls start runs, and all other calls get the same response.

use domain::signature::sign;
use futures_util::future::join_all;
use reqwest::header::HeaderMap;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::{ApiResponse, Method, Run, Stack, echo_call, spec, transform, unique};

/// A flow with a webhook trigger, as its author sees it.
struct Hooked {
    id: String,
    slug: String,
    token: String,
    secret: String,
}

fn text(flow: &Value, name: &str) -> String {
    flow[name].as_str().unwrap_or_else(|| panic!("no {name}: {flow}")).to_owned()
}

async fn hooked(stack: &Stack) -> Hooked {
    let slug = unique("hooked");
    let nodes = [echo_call("call", &format!("/{slug}"), &json!("${trigger}"))];
    let body = json!({"slug": slug, "name": "A test", "triggerType": "webhook", "spec": spec(&nodes, &[])});
    let flow = stack.ada.post("/api/flows", &body).await.data(201)["flow"].clone();
    Hooked { id: text(&flow, "id"), slug, token: text(&flow, "webhookToken"), secret: text(&flow, "webhookSecret") }
}

fn signature(secret: &str, body: &str) -> String {
    sign(&SecretString::from(secret), body.as_bytes())
}

async fn call(stack: &Stack, token: &str, body: &str, headers: &[(&str, &str)]) -> ApiResponse {
    let headers = [&[("content-type", "application/json")], headers].concat();
    stack.without_key.call(Method::POST, &format!("/api/triggers/wh/{token}"), &headers, Some(body.as_bytes().to_vec())).await
}

async fn signed(stack: &Stack, token: &str, secret: &str, body: &str) -> ApiResponse {
    call(stack, token, body, &[("x-quantum-signature", &signature(secret, body))]).await
}

#[tokio::test]
async fn a_signed_call_starts_a_run_and_a_repeated_delivery_gives_it_again() {
    let stack = Stack::shared();
    let flow = hooked(&stack).await;
    // Spaced and escaped as no serialiser of this repository does it: the bytes are signed.
    let body = "{ \"order\" : 7,\r\n\t\"name\":\"Gr\\u00fc\u{df}e\" }";
    let headers = [("x-quantum-signature", &*signature(&flow.secret, body)), ("x-quantum-delivery", "d-1")];
    let first = call(&stack, &flow.token, body, &headers).await;
    let started = &first.data(202)["run"];
    assert_eq!(
        (&started["trigger"], &started["startedBy"], &started["flowId"]),
        (&json!("webhook"), &json!("trigger:webhook"), &json!(flow.id))
    );
    let run = Run::of(&stack.ada, started);
    let view = run.wait("succeeded").await;
    assert_eq!(view.run["input"], json!({"order": 7, "name": "Grüße"}));

    // Again, as another sender might write it.
    let other = r#"{"order":7,"sentAt":2}"#;
    let again =
        call(&stack, &flow.token, other, &[("x-quantum-signature", &signature(&flow.secret, other)), ("x-quantum-delivery", "d-1")]).await;
    assert_eq!((&again.data(202)["run"]["id"], &again.data(202)["run"]["status"]), (&json!(run.id), &json!("succeeded")));
    stack.echo.only(&format!("/{}", flow.slug)).await;
    let answers = join_all((0..10).map(|_| {
        let signed = signature(&flow.secret, "{}");
        let (stack, flow) = (&stack, &flow);
        async move { call(stack, &flow.token, "{}", &[("x-quantum-signature", &signed), ("x-quantum-delivery", "at-once")]).await }
    }))
    .await;
    let at_once = &answers[0].data(202)["run"]["id"];
    assert!(answers.iter().all(|answer| answer.data(202)["run"]["id"] == *at_once) && *at_once != json!(run.id));
    assert_ne!(signed(&stack, &flow.token, &flow.secret, body).await.data(202)["run"]["id"], json!(run.id), "without a name it is new");
    let listed = stack.ada.get(&format!("/api/flows/{}/runs?trigger=webhook", flow.id)).await;
    assert_eq!(listed.body["total"], 3);
}

#[tokio::test]
async fn a_body_of_more_than_100_kb_is_an_input_like_any_other() {
    let stack = Stack::shared();
    let flow = hooked(&stack).await;
    let body = json!({"text": "x".repeat(150_000)}).to_string();
    let run = Run::of(&stack.ada, &signed(&stack, &flow.token, &flow.secret, &body).await.data(202)["run"]);
    let view = run.wait("succeeded").await;
    assert_eq!(view.run["inputRef"]["bytes"], body.len());
    assert_eq!(stack.echo.only(&format!("/{}", flow.slug)).await.raw(), body);
}

/// The headers without those that differ between any two responses.
fn stable_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let differ = |name: &str| name == "date" || name.contains("request") || name.contains("trace") || name.contains("apigw");
    let pairs = headers.iter().filter(|(name, _)| !differ(name.as_str()));
    let mut stable: Vec<_> = pairs.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    stable.sort();
    stable
}

#[tokio::test]
async fn an_unsigned_call_gets_the_same_response_for_every_reason() {
    let stack = Stack::shared();
    let flow = hooked(&stack).await;
    let good = signature(&flow.secret, "{}");
    let path = format!("/api/flows/{}", flow.id);
    let mut answers = vec![
        call(&stack, &format!("wht_{}", "a".repeat(32)), "{}", &[("x-quantum-signature", &good)]).await,
        call(&stack, "what-is-this", "{}", &[("x-quantum-signature", &good)]).await,
        call(&stack, &flow.token, "{}", &[]).await,
        call(&stack, &flow.token, "{", &[]).await,
        call(&stack, &flow.token, "{}", &[("x-quantum-signature", "sha256=00")]).await,
        call(&stack, &flow.token, "{} ", &[("x-quantum-signature", &good)]).await,
        signed(&stack, &flow.token, &format!("{}x", flow.secret), "{}").await,
    ];
    for status in ["paused", "draft"] {
        stack.ada.send(Method::PATCH, &path, &json!({"status": status})).await.data(200);
        answers.push(signed(&stack, &flow.token, &flow.secret, "{}").await);
    }
    stack.ada.send(Method::PATCH, &path, &json!({"status": "active", "triggerType": "api"})).await.data(200);
    answers.push(signed(&stack, &flow.token, &flow.secret, "{}").await);
    for answer in &answers {
        assert_eq!(answer.error(401), "unknown webhook or invalid signature");
        assert_eq!((&answer.body, stable_headers(&answer.headers)), (&answers[0].body, stable_headers(&answers[0].headers)));
    }
    assert_eq!(stack.ada.get(&format!("{path}/runs")).await.body["total"], 0);
    // Responses that say nothing about a token may differ.
    for token in [&flow.token, &format!("wht_{}", "a".repeat(32))] {
        let large = call(&stack, token, &format!("\"{}\"", "x".repeat(1_000_000)), &[]).await;
        assert_eq!(large.error(413), "the body has more than 1000000 bytes");
        let path = format!("/api/triggers/wh/{token}");
        let text = stack.without_key.call(Method::POST, &path, &[("content-type", "text/plain")], Some(b"x".to_vec())).await;
        assert_eq!(text.status, 415);
    }
}

#[tokio::test]
async fn the_secret_is_shown_on_a_single_read_and_stored_sealed() {
    let stack = Stack::shared();
    let flow = hooked(&stack).await;
    let path = format!("/api/flows/{}", flow.id);
    let read = stack.ada.get(&path).await.data(200)["flow"].clone();
    assert_eq!((text(&read, "webhookToken"), text(&read, "webhookSecret")), (flow.token.clone(), flow.secret.clone()));
    let rows = stack.ada.get("/api/flows?limit=100").await;
    let row = rows.rows().iter().find(|row| row["id"] == json!(flow.id)).expect("the newest flows are on the first page");
    assert_eq!((&row["triggerType"], &row["webhookToken"]), (&json!("webhook"), &json!(flow.token)));
    assert!(!rows.body.to_string().contains("whsec_") && row.get("webhookSecret").is_none());
    let renamed = stack.ada.send(Method::PATCH, &path, &json!({"name": "Another"})).await.data(200)["flow"].clone();
    assert!(renamed.get("webhookSecret").is_none() && renamed["webhookToken"] == json!(flow.token), "{renamed}");
    for item in [stack.aws.webhook_item(&flow.token).await, stack.aws.flow_item(&flow.id).await] {
        assert!(item.is_object() && !item.to_string().contains("whsec_"), "{item}");
    }
}

#[tokio::test]
async fn a_rotated_secret_works_at_once_and_the_old_one_still_does() {
    let stack = Stack::shared();
    let flow = hooked(&stack).await;
    let rotate = format!("/api/flows/{}/rotate-webhook-secret", flow.slug);
    let rotated = stack.ada.post(&rotate, &json!({})).await.data(200)["flow"].clone();
    let second = text(&rotated, "webhookSecret");
    assert!(second != flow.secret && rotated["webhookToken"] == json!(flow.token) && rotated["spec"].is_object());
    for secret in [&flow.secret, &second] {
        signed(&stack, &flow.token, secret, "{}").await.data(202);
    }
    let third = text(&stack.ada.post(&rotate, &json!({})).await.data(200)["flow"], "webhookSecret");
    assert_eq!(text(&stack.ada.get(&format!("/api/flows/{}", flow.id)).await.data(200)["flow"], "webhookSecret"), third);
    assert_eq!(signed(&stack, &flow.token, &flow.secret, "{}").await.status, 401, "only the last one before is good");
    for secret in [&second, &third] {
        signed(&stack, &flow.token, secret, "{}").await.data(202);
    }
    let plain = stack.flow(|_| spec(&[transform("a", &json!(1))], &[])).await;
    let refused = stack.ada.post(&format!("/api/flows/{}/rotate-webhook-secret", plain.id), &json!({})).await;
    assert_eq!(refused.error(422), "the flow has no webhook: its triggerType is api");
}

#[tokio::test]
async fn a_webhook_trigger_can_be_added_and_removed() {
    let stack = Stack::shared();
    let flow = stack.flow(|_| spec(&[transform("a", &json!(1))], &[])).await;
    let path = format!("/api/flows/{}", flow.id);
    let become_a = async |kind: &str| stack.ada.send(Method::PATCH, &path, &json!({"triggerType": kind})).await.data(200)["flow"].clone();
    let first = become_a("webhook").await;
    signed(&stack, &text(&first, "webhookToken"), &text(&first, "webhookSecret"), "{}").await.data(202);
    // It can still be started by calls.
    stack.ada.post(&format!("{path}/execute"), &json!({})).await.data(202);
    let plain = become_a("api").await;
    assert!(plain.get("webhookToken").is_none() && plain["triggerType"] == "api", "{plain}");
    assert_eq!(signed(&stack, &text(&first, "webhookToken"), &text(&first, "webhookSecret"), "{}").await.status, 401);
    let second = become_a("webhook").await;
    assert_ne!(text(&second, "webhookToken"), text(&first, "webhookToken"));
    assert_eq!(signed(&stack, &text(&first, "webhookToken"), &text(&first, "webhookSecret"), "{}").await.status, 401);
    signed(&stack, &text(&second, "webhookToken"), &text(&second, "webhookSecret"), "{}").await.data(202);
}
