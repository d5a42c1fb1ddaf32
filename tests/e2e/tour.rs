//! A tour of the whole API. The examples of `openapi.yaml` come from it: `make record-examples` takes the first response of each
//! kind that this test gets. Its values are therefore chosen for readers of the document.

use domain::signature::sign;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::{Api, Method, Run, Stack, eventually, spec, transform, unique};

/// A refund that a model drafts, a person corrects, and a service executes.
fn refunds() -> Value {
    json!({
        "startNodeId": "draft",
        "nodes": [
            {
                "id": "draft", "type": "llm_step", "model": "quantum-ai:default", "systemPrompt": "You draft refunds for a furniture shop.",
                "userPrompt": "Draft a refund for: ${trigger.message} SCRIPTED: {\"customer\": \"cus_481\", \"amount\": 120}",
                "outputSchema": {
                    "type": "object", "required": ["customer", "amount"],
                    "properties": {"customer": {"type": "string"}, "amount": {"type": "number"}},
                },
            },
            {
                "id": "review", "type": "human_approval", "actionLabel": "Refund ${trigger.orderId}", "proposedAction": "${step.draft.output.parsed}",
                "data": {"message": "${trigger.message}"}, "assignTo": "role:reviewer", "timeoutHours": 48, "allowedEdits": ["/amount"],
            },
            {
                "id": "pay", "type": "service_call", "service": "custom:echo", "method": "POST", "path": "/refunds/${trigger.orderId}",
                "body": "${step.review.output.proposedAction}", "retry": {"maxAttempts": 5},
            },
        ],
        "edges": [{"from": "draft", "to": "review"}, {"from": "review", "to": "pay"}],
        "onReject": "fail",
    })
}

async fn executed(stack: &Stack, slug: &str, order: &str) -> Run {
    let input = json!({"orderId": order, "message": "The hinge of the wardrobe broke after a week."});
    let headers = [("content-type", "application/json"), ("idempotency-key", order)];
    let path = format!("/api/flows/{slug}/execute");
    let answer = stack.ada.call(Method::POST, &path, &headers, Some(input.to_string().into_bytes())).await;
    Run::of(&stack.ada, &answer.data(202)["run"])
}

/// A service connection: registered, checked, registered again, deleted.
async fn a_service(stack: &Stack) {
    let (ada, path, name) = (&stack.ada, "/api/service-connections", unique("payments"));
    let slug = format!("custom:{name}");
    let service = json!({
        "serviceSlug": slug, "baseUrl": format!("{}/{name}/v2", stack.echo.url), "apiKey": "not-a-real-key",
        "authHeader": "X-Api-Key", "healthPath": "/health",
    });
    ada.post(path, &service).await.data(201);
    ada.post(path, &service).await.data(200);
    assert_eq!(ada.get(&format!("{path}/{slug}/health")).await.data(200)["health"]["healthy"], true);
    ada.get(&format!("{path}?limit=1")).await.data(200);
    ada.send(Method::DELETE, &format!("{path}/{slug}"), &json!({})).await.data(200);
}

/// A webhook endpoint.
struct Hook<'a> {
    ada: &'a Api,
    path: String,
    /// The path at which its events arrive.
    arrivals: String,
}

impl<'a> Hook<'a> {
    async fn registered(stack: &'a Stack) -> Self {
        let arrivals = format!("/{}", unique("hooks"));
        let events = ["flow.run.*", "generation.*", "refund.paid"];
        let body = json!({"url": format!("{}{arrivals}", stack.echo.url), "events": events, "description": "Back office"});
        let id = stack.ada.post("/api/webhooks", &body).await.data(201)["webhook"]["id"].as_str().unwrap().to_owned();
        let this = Self { ada: &stack.ada, path: format!("/api/webhooks/{id}"), arrivals };
        this.ada.get(&this.path).await.data(200);
        this.ada.get("/api/webhooks?limit=1").await.data(200);
        this
    }

    /// Tests it, redelivers a delivery, and rotates its secret.
    async fn tried(&self, stack: &Stack) {
        let asked = self.ada.post(&format!("{}/test", self.path), &json!({})).await.data(202)["delivery"]["id"].clone();
        let arrived = |times: usize| async move {
            let all = stack.echo.sent_to(&self.arrivals).await;
            (all.iter().filter(|event| event.body()["event"] == "webhook.test").count() >= times).then_some(())
        };
        eventually("the test", async || arrived(1).await).await;
        self.ada.get(&format!("{}/deliveries?limit=1", self.path)).await.data(200);
        self.ada.post(&format!("{}/rotate-secret", self.path), &json!({})).await.data(200);
        self.ada.post(&format!("{}/deliveries/{}/redeliver", self.path, asked.as_str().unwrap()), &json!({})).await.data(202);
        eventually("the test again", async || arrived(2).await).await;
    }

    /// Waits until these events of these runs have arrived.
    async fn wait_for_events(&self, stack: &Stack, names: &[&str], runs: &[&str]) {
        eventually("the events of these runs", async || {
            let all = stack.echo.sent_to(&self.arrivals).await;
            let ours = |name: &&str| {
                all.iter().any(|event| {
                    let run = event.body()["data"]["runId"].as_str();
                    event.body()["event"] == **name && run.is_some_and(|run| runs.contains(&run))
                })
            };
            names.iter().all(ours).then_some(())
        })
        .await;
        self.ada.send(Method::DELETE, &self.path, &json!({})).await.data(200);
    }
}

/// A flow with a webhook trigger, and then with a schedule.
async fn started_by_others(stack: &Stack) {
    let (ada, slug) = (&stack.ada, unique("claims"));
    let flow = format!("/api/flows/{slug}");
    let body =
        json!({"slug": slug, "name": "Claims", "triggerType": "webhook", "spec": spec(&[transform("claim", &json!("${trigger}"))], &[])});
    ada.post("/api/flows", &body).await.data(201);
    let rotated = ada.post(&format!("{flow}/rotate-webhook-secret"), &json!({})).await.data(200)["flow"].clone();
    let text = |name: &str| rotated[name].as_str().unwrap().to_owned();
    let (path, secret) = (format!("/api/triggers/wh/{}", text("webhookToken")), SecretString::from(text("webhookSecret")));
    let call = async |body: &str| {
        let signature = sign(&secret, body.as_bytes());
        let headers = [("content-type", "application/json"), ("x-quantum-signature", &*signature), ("x-quantum-delivery", "claim-17")];
        stack.without_key.call(Method::POST, &path, &headers, Some(body.as_bytes().to_vec())).await
    };
    call(r#"{"orderId":"order-1043","claim":17}"#).await.data(202);
    assert_eq!(call("{").await.faulty_fields(400), ["body"]);
    stack.without_key.post(&path, &json!({})).await.error(401);
    let clock = json!({"triggerType": "cron", "cronExpression": "0 6 * * 1-5", "cronTimezone": "Europe/Berlin", "cronEnabled": false});
    ada.send(Method::PATCH, &flow, &clock).await.data(200);
}

/// Waits for the decision of the only run of a flow, without a recording of the answers before, and lists it.
async fn decision_in_history(stack: &Stack, slug: &str) {
    let path = format!("/api/decisions?flow={slug}&verdict=approved&edited=true");
    let (url, key) = (format!("{}{path}", std::env::var("QE_BASE_URL").unwrap()), std::env::var("QE_API_KEY").unwrap());
    eventually("the decision in the history", async || {
        let answer = stack.client.get(&url).header("authorization", format!("Bearer {key}")).send().await.unwrap();
        answer.text().await.unwrap().contains("\"approvalId\"").then_some(())
    })
    .await;
    assert_eq!(stack.ada.get(&path).await.rows().len(), 1);
}

#[tokio::test]
async fn the_whole_api_in_one_tour() {
    let stack = Stack::shared();
    let (ada, slug) = (&stack.ada, unique("refunds"));
    a_service(&stack).await;
    started_by_others(&stack).await;
    let hook = Hook::registered(&stack).await;
    hook.tried(&stack).await;
    let body = json!({"slug": slug, "name": "Refunds", "description": "Refunds, with a person's signature.", "spec": refunds()});
    ada.post("/api/flows", &body).await.data(201);
    assert_eq!(ada.post("/api/flows", &body).await.error(409), format!("there is a flow with the slug `{slug}` already"));
    let mistaken =
        json!({"slug": slug, "name": "Refunds", "spec": {"startNodeId": "draft", "nodes": [{"id": "review", "type": "human_approvals"}]}});
    assert_eq!(ada.post("/api/flows", &mistaken).await.faulty_fields(400).len(), 2);
    ada.get("/api/flows?limit=1").await.data(200);
    ada.get(&format!("/api/flows/{slug}")).await.data(200);

    // A run waits for Ada, who corrects the amount.
    let run = executed(&stack, &slug, "order-1043").await;
    run.parked().await;
    ada.get(&format!("/api/approvals?assignee=me&flow={slug}")).await.data(200);
    let too_far = json!({"proposedActionOverride": {"customer": "cus_999", "amount": 80}});
    run.approve(&too_far).await.field_error(422, "proposedActionOverride/customer");
    assert!(run.by(&stack.grace).approve(&json!({})).await.error(403).contains("assigned"));
    let corrected = json!({"proposedActionOverride": {"customer": "cus_481", "amount": 80}, "note": "A partial refund; the rest is worn."});
    run.approve(&corrected).await.data(200);
    let view = run.wait("succeeded").await;
    assert_eq!(view.output("pay")["body"], json!({"customer": "cus_481", "amount": 80}));
    assert!(run.cancel("too late").await.status == 409);
    ada.get(&run.path("steps/draft/output")).await.data(200);
    ada.get(&format!("/api/flows/{slug}/runs?status=succeeded&trigger=manual&limit=20")).await.data(200);
    ada.send(Method::DELETE, &run.path("outputs"), &json!({})).await.data(200);
    decision_in_history(&stack, &slug).await;

    // Another run is rejected and retried; a third is cancelled.
    let rejected = executed(&stack, &slug, "order-1044").await;
    rejected.parked().await;
    rejected.reject(&json!({"note": "Out of warranty."})).await.data(200);
    rejected.wait("failed").await;
    let again = rejected.retry(&json!({"fromNodeId": "draft", "flowVersion": "latest"})).await;
    again.parked().await;
    again.cancel("The customer withdrew the claim.").await.data(200);

    // A model whose answer breaks the schema. All events have been sent by then.
    let schema = json!({"type": "object", "required": ["amount"], "properties": {"amount": {"type": "number"}}});
    let ask = json!({"id": "ask", "type": "llm_step", "userPrompt": "How much? SCRIPTED: {\"amount\": \"a lot\"}", "outputSchema": schema});
    let (_, helpless) = stack.run(|_| spec(&[ask], &[]), &json!({})).await;
    helpless.wait("failed").await;
    let names = [
        "flow.run.started",
        "flow.run.awaiting_approval",
        "flow.run.succeeded",
        "flow.run.failed",
        "flow.run.cancelled",
        "generation.started",
        "generation.completed",
        "generation.failed",
    ];
    hook.wait_for_events(&stack, &names, &[&run.id, &rejected.id, &again.id, &helpless.id]).await;

    // The flow is paused, so it cannot be started.
    for method in [Method::PATCH, Method::PUT] {
        ada.send(method, &format!("/api/flows/{slug}"), &json!({"status": "paused"})).await.data(200);
    }
    ada.post(&format!("/api/flows/{slug}/execute"), &json!({})).await.error(422);

    // API keys, and the retention of outputs.
    let key = json!({"name": "Billing service", "scopes": ["runs:read", "runs:write"], "actor": "billing", "roles": ["reviewer"], "expiresAt": "2099-01-01T00:00:00Z"});
    let key = ada.post("/api/api-keys", &key).await.data(201)["apiKey"]["id"].as_str().unwrap().to_owned();
    ada.get("/api/api-keys?limit=1").await.data(200);
    ada.send(Method::DELETE, &format!("/api/api-keys/{key}"), &json!({})).await.data(200);
    ada.get("/api/whoami").await.data(200);
    ada.get("/api/org/retention").await.data(200);
    ada.send(Method::PUT, "/api/org/retention", &json!({"longRetention": false})).await.data(200);
    stack.without_key.get("/api/flows").await.error(401);
    ada.get("/api/runs/run_01M888RN49YESS4D7F8HBW5P7X").await.error(404);
    ada.call(Method::POST, "/api/flows", &[("content-type", "text/plain")], Some(b"slug=refunds".to_vec())).await.error(415);
    stack.without_key.page("/api/openapi.json", &[]).await;
}
