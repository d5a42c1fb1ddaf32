//! Outbound webhooks: registered, signed, delivered, repeated, listed, redelivered, deleted.

use domain::signature::verify;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::{Api, ApiResponse, Method, Recorded, Stack, approval_flow, eventually, one_gate, spec, unique};

/// An endpoint at a path of the echo service.
struct Hook {
    api: Api,
    id: String,
    secret: SecretString,
    /// The path at which its deliveries arrive.
    path: String,
}

impl Hook {
    async fn at(stack: &Stack, api: &Api, path: &str, events: &[&str]) -> Self {
        let body = json!({"url": format!("{}{path}", stack.echo.url), "events": events, "description": "A test"});
        let answer = api.post("/api/webhooks", &body).await;
        let webhook = &answer.data(201)["webhook"];
        let text = |name: &str| webhook[name].as_str().unwrap_or_else(|| panic!("no {name}: {webhook}")).to_owned();
        Self { api: api.clone(), id: text("id"), secret: SecretString::from(text("secret")), path: path.to_owned() }
    }

    fn path(&self, action: &str) -> String {
        format!("/api/webhooks/{}{action}", self.id)
    }

    /// Sends `webhook.test` and returns the delivery.
    async fn test(&self) -> Value {
        self.api.post(&self.path("/test"), &json!({})).await.data(202)["delivery"].clone()
    }

    async fn deliveries(&self) -> Vec<Value> {
        self.api.get(&self.path("/deliveries?limit=100")).await.rows().to_vec()
    }

    /// Waits until a delivery has been attempted this often, and returns it.
    async fn attempted(&self, id: &Value, times: u64) -> Value {
        eventually(&format!("attempt {times} of {id}"), async || {
            self.deliveries().await.into_iter().find(|delivery| delivery["id"] == *id && delivery["attempts"] == times)
        })
        .await
    }

    async fn redeliver(&self, id: &Value) -> ApiResponse {
        self.api.post(&self.path(&format!("/deliveries/{}/redeliver", id.as_str().unwrap())), &json!({})).await
    }

    async fn delete(&self) {
        self.api.send(Method::DELETE, &self.path(""), &json!({})).await.data(200);
    }

    /// Whether its signature was made with this endpoint's secret.
    fn signed(&self, event: &Recorded) -> bool {
        verify(&self.secret, event.raw().as_bytes(), event.header("x-quantum-signature"))
    }
}

#[tokio::test]
async fn a_webhook_is_shown_with_its_secret_once_then_without_and_then_not_at_all() {
    let stack = Stack::shared();
    let path = format!("/{}", unique("hook"));
    let body = json!({"url": format!("{}{path}", stack.echo.url), "events": ["flow.run.*", "order.paid"], "description": "Back office"});
    let answer = stack.ada.post("/api/webhooks", &body).await;
    let mut shown = answer.data(201)["webhook"].clone();
    let secret = shown["secret"].take();
    shown.as_object_mut().unwrap().remove("secret");
    assert!(secret.as_str().unwrap().starts_with("whsec_") && shown["id"].as_str().unwrap().starts_with("whe_"));
    assert_eq!((&shown["events"], &shown["createdBy"]), (&json!(["flow.run.*", "order.paid"]), &json!("usr_ada")));
    let id = shown["id"].as_str().unwrap();
    let one = stack.grace.get(&format!("/api/webhooks/{id}")).await;
    assert_eq!(one.data(200)["webhook"], shown);
    let list = stack.ada.get("/api/webhooks?limit=100").await;
    assert!(list.rows().contains(&shown) && !list.body.to_string().contains("whsec_"));
    let gone = stack.ada.send(Method::DELETE, &format!("/api/webhooks/{id}"), &json!({})).await;
    assert_eq!(gone.data(200)["webhook"], shown);
    for answer in [
        stack.ada.get(&format!("/api/webhooks/{id}")).await,
        stack.ada.get(&format!("/api/webhooks/{id}/deliveries")).await,
        stack.ada.send(Method::DELETE, &format!("/api/webhooks/{id}"), &json!({})).await,
        stack.ada.post(&format!("/api/webhooks/{id}/test"), &json!({})).await,
        stack.ada.post(&format!("/api/webhooks/{id}/rotate-secret"), &json!({})).await,
    ] {
        assert_eq!(answer.error(404), "webhook not found");
    }
}

#[tokio::test]
async fn an_invalid_webhook_is_refused_at_its_fields() {
    let stack = Stack::shared();
    for url in ["http://example.com/hook", "https://10.0.0.1/", "https://169.254.169.254/latest", "ftp://example.com", "nowhere", ""] {
        let answer = stack.ada.post("/api/webhooks", &json!({"url": url, "events": ["*"]})).await;
        assert_eq!(answer.faulty_fields(400), ["url"], "{url}");
    }
    let body = json!({"url": "https://example.com", "events": ["*", "flow.run.suceeded", 7], "event": "x", "description": 3});
    assert_eq!(stack.ada.post("/api/webhooks", &body).await.faulty_fields(400), ["description", "event", "events[1]", "events[2]"]);
    assert_eq!(stack.ada.post("/api/webhooks", &json!({})).await.faulty_fields(400), ["events", "url"]);
    let reserved = json!({"id": "tell", "type": "webhook_emit", "event": "flow.run.succeeded"});
    let flow = json!({"slug": unique("flow"), "name": "A test", "spec": spec(&[reserved], &[])});
    let refused = stack.ada.post("/api/flows", &flow).await;
    assert!(refused.field_error(400, "spec.nodes[0].event").contains("own events"));
}

#[tokio::test]
async fn a_run_sends_its_events_signed_and_once() {
    let stack = Stack::shared();
    let hook = Hook::at(&stack, &stack.ada, &format!("/{}", unique("hook")), &["flow.run.*", "generation.*"]).await;
    let input = json!({"ticket": "T-1", "draft": "{\"action\": \"refund\", \"amount\": 5}"});
    let (flow, run) = stack.run(|slug| approval_flow(slug, &json!({})), &input).await;
    let parked = run.parked().await;
    run.approve(&json!({})).await.data(200);
    let done = run.wait("succeeded").await;
    let ours = async || {
        let all = stack.echo.sent_to(&hook.path).await;
        all.into_iter().filter(|event| event.body()["data"]["runId"] == run.id).collect::<Vec<_>>()
    };
    let events = eventually("the run's five events", async || Some(ours().await).filter(|events| events.len() >= 5)).await;
    let of = |name: &str| {
        let mut found = events.iter().filter(|event| event.body()["event"] == name);
        let event = found.next().unwrap_or_else(|| panic!("no {name}"));
        assert!(found.next().is_none(), "{name} came twice");
        event
    };
    for event in &events {
        assert!(hook.signed(event));
        assert_eq!(event.header("x-quantum-event"), event.body()["event"]);
        assert_eq!((event.header("x-quantum-attempt"), event.header("content-type")), ("1", "application/json"));
        assert!(event.header("x-quantum-delivery").starts_with("whd_") && event.header("x-quantum-timestamp").ends_with('Z'));
        assert!(event.body()["id"].as_str().unwrap().starts_with("evt_") && event.body()["orgId"].as_str().unwrap().starts_with("org_"));
    }
    let data = |name: &str| &of(name).body()["data"];
    assert_eq!((&data("flow.run.started")["input"], &data("flow.run.started")["flowSlug"]), (&input, &json!(flow.slug)));
    let asked = data("flow.run.awaiting_approval");
    assert_eq!((&asked["stepId"], &asked["actionLabel"]), (&parked.step("review")["id"], &json!("Do it")));
    assert_eq!(asked["proposedAction"], json!({"action": "refund", "amount": 5}));
    let succeeded = data("flow.run.succeeded");
    assert_eq!(succeeded["finishedAt"], done.run["finishedAt"]);
    let received: Vec<(&Value, &Value, &Value)> =
        succeeded["steps"].as_array().unwrap().iter().map(|step| (&step["id"], &step["status"], &step["output"])).collect();
    let shown: Vec<(&Value, &Value, &Value)> = done.steps().iter().map(|step| (&step["id"], &step["status"], &step["output"])).collect();
    assert_eq!(received, shown, "as GET shows them");
    assert_eq!(data("generation.started")["model"], "quantum-ai:default");
    let completed = data("generation.completed");
    assert_eq!((&completed["stepId"], &completed["tokens"]), (&done.step("draft")["id"], &done.output("draft")["tokens"]));
    // Nothing more arrives by the end.
    let rows = hook.deliveries().await;
    let listed = rows.iter().filter(|row| events.iter().any(|event| event.header("x-quantum-delivery") == row["id"]));
    assert!(listed.clone().count() == 5 && listed.clone().all(|row| row["eventId"].is_string()));
    hook.delete().await;
    assert_eq!(ours().await.len(), 5);
}

#[tokio::test]
async fn an_emitted_event_arrives_with_the_id_of_its_step() {
    let stack = Stack::shared();
    let name = unique("order.paid");
    let hook = Hook::at(&stack, &stack.ada, &format!("/{}", unique("hook")), &[&name]).await;
    let emit = json!({"id": "emit", "type": "webhook_emit", "event": name, "data": {"order": "${trigger.order}"}});
    let (_, run) = stack.run(|_| spec(&[emit], &[]), &json!({"order": "A-1"})).await;
    let done = run.wait("succeeded").await;
    let event = stack.echo.wait_for(&hook.path).await;
    assert_eq!((&event.body()["id"], &event.body()["data"]), (done.output("emit"), &json!({"order": "A-1"})));
    assert!(hook.signed(&event));
    hook.delete().await;
}

#[tokio::test]
async fn the_events_of_a_cancelled_or_failed_run_say_why() {
    let stack = Stack::shared();
    let hook = Hook::at(&stack, &stack.ada, &format!("/{}", unique("hook")), &["flow.run.cancelled", "flow.run.failed"]).await;
    let (_, cancelled) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": 1})).await;
    cancelled.parked().await;
    cancelled.cancel("not needed").await.data(200);
    let (_, failed) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": 1})).await;
    failed.parked().await;
    failed.reject(&json!({"note": "too much"})).await.data(200);
    let view = failed.wait("failed").await;
    let of = async |run: &str| {
        eventually("the end of a run", async || {
            let all = stack.echo.sent_to(&hook.path).await;
            all.into_iter().find(|event| event.body()["data"]["runId"] == run).map(|event| event.body()["data"].clone())
        })
        .await
    };
    let data = of(&cancelled.id).await;
    assert_eq!((&data["reason"], &data["actor"]), (&json!("not needed"), &json!("usr_ada")));
    let data = of(&failed.id).await;
    assert_eq!((&data["failedStepId"], data["errorMessage"].as_str()), (&view.step("review")["id"], Some(view.error())));
    hook.delete().await;
}

#[tokio::test]
async fn a_failed_delivery_waits_for_its_next_attempt_and_can_be_redelivered_at_once() {
    let stack = Stack::shared();
    let hook = Hook::at(&stack, &stack.ada, &format!("/status/503/{}", unique("hook")), &["nothing.*"]).await;
    let asked = hook.test().await;
    assert_eq!((&asked["status"], &asked["attempts"], &asked["event"]), (&json!("pending"), &json!(0), &json!("webhook.test")));
    let failed = hook.attempted(&asked["id"], 1).await;
    assert_eq!((&failed["status"], &failed["lastStatusCode"]), (&json!("failed"), &json!(503)));
    assert!(failed["answer"].as_str().unwrap().contains("webhook.test"), "the echo service shows what it was sent");
    let at = |name: &str| failed[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let wait = at("nextAttemptAt").duration_since(at("lastAttemptAt")).as_secs();
    assert!((54..=60).contains(&wait), "a minute, up to a tenth shorter: {wait} s");

    let first = stack.echo.only(&hook.path).await;
    stack.aws.bring_forward(first.body()["orgId"].as_str().unwrap(), &hook.id, asked["id"].as_str().unwrap()).await;
    stack.aws.tick("repeat-deliveries").await;
    let repeated = hook.attempted(&asked["id"], 2).await;
    let at = |name: &str| repeated[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let wait = at("nextAttemptAt").duration_since(at("lastAttemptAt")).as_secs();
    assert!((270..=300).contains(&wait), "five minutes, up to a tenth shorter: {wait} s");

    let again = hook.redeliver(&asked["id"]).await;
    let again = &again.data(202)["delivery"];
    assert_eq!((&again["id"], &again["eventId"], &again["status"]), (&asked["id"], &asked["eventId"], &json!("pending")));
    hook.attempted(&asked["id"], 3).await;
    let sent = stack.echo.sent_to(&hook.path).await;
    assert_eq!(sent.len(), 3);
    for (number, event) in sent.iter().enumerate() {
        assert_eq!(event.raw(), first.raw(), "the same to the byte");
        assert_eq!(event.header("x-quantum-delivery"), first.header("x-quantum-delivery"));
        assert_eq!(event.header("x-quantum-attempt"), (number + 1).to_string());
        assert!(hook.signed(event));
    }
    let unknown = hook.redeliver(&json!("whd_01JZZZZZZZZZZZZZZZZZZZZZZZ")).await;
    assert_eq!(unknown.error(404), "delivery not found");
    hook.delete().await;
}

#[tokio::test]
async fn a_rotated_secret_signs_redeliveries_at_once() {
    let stack = Stack::shared();
    let mut hook = Hook::at(&stack, &stack.ada, &format!("/{}", unique("hook")), &["nothing.*"]).await;
    let asked = hook.test().await;
    let done = hook.attempted(&asked["id"], 1).await;
    assert_eq!((&done["status"], &done["lastStatusCode"]), (&json!("succeeded"), &json!(200)));
    let rotated = stack.ada.post(&hook.path("/rotate-secret"), &json!({})).await;
    let webhook = &rotated.data(200)["webhook"];
    assert!(webhook["secretRotatedAt"].is_string());
    let old = std::mem::replace(&mut hook.secret, SecretString::from(webhook["secret"].as_str().unwrap()));
    hook.redeliver(&asked["id"]).await.data(202);
    hook.attempted(&asked["id"], 2).await;
    let sent = stack.echo.sent_to(&hook.path).await;
    assert!(!hook.signed(&sent[0]) && hook.signed(&sent[1]));
    assert!(verify(&old, sent[0].raw().as_bytes(), sent[0].header("x-quantum-signature")));
    assert!(!stack.ada.get(&hook.path("")).await.body.to_string().contains("whsec_"));
    hook.delete().await;
}

#[tokio::test]
async fn a_slow_endpoint_does_not_hold_up_another_organisations() {
    let stack = Stack::shared();
    let name = unique("hook");
    let slow = Hook::at(&stack, &stack.ada, &format!("/hold/{name}"), &["nothing.*"]).await;
    let quick = Hook::at(&stack, &stack.other, &format!("/{name}"), &["nothing.*"]).await;
    let mut held = Vec::new();
    for _ in 0..6 {
        held.push(slow.test().await["id"].clone());
    }
    stack.echo.wait_for(&slow.path).await;
    let asked = quick.test().await;
    let done = quick.attempted(&asked["id"], 1).await;
    assert_eq!(done["status"], "succeeded");
    stack.echo.release(&slow.path).await;
    for id in &held {
        let late = slow.attempted(id, 1).await;
        assert!(late["lastAttemptAt"].as_str() > done["lastAttemptAt"].as_str(), "{late} {done}");
    }
    slow.delete().await;
    quick.delete().await;
}
