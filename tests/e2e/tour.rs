//! The whole API in one story. It is also where the examples of `openapi.yaml` come from: `make record-examples` takes the first
//! answer of each kind that this test gets. So it says what a reader would like to see, and no more.

use serde_json::{Value, json};

use crate::support::{Method, Run, Stack, unique};

/// A refund that a model drafts, a person corrects, and a service pays.
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

#[tokio::test]
async fn the_whole_api_in_one_story() {
    let stack = Stack::shared();
    let (ada, slug) = (&stack.ada, unique("refunds"));
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

    // Another is rejected, and run again; a third is called off.
    let rejected = executed(&stack, &slug, "order-1044").await;
    rejected.parked().await;
    rejected.reject(&json!({"note": "Out of warranty."})).await.data(200);
    rejected.wait("failed").await;
    let again = rejected.retry(&json!({"fromNodeId": "draft", "flowVersion": "latest"})).await;
    again.parked().await;
    again.cancel("The customer withdrew the claim.").await.data(200);

    // The flow is paused: nothing runs.
    for method in [Method::PATCH, Method::PUT] {
        ada.send(method, &format!("/api/flows/{slug}"), &json!({"status": "paused"})).await.data(200);
    }
    ada.post(&format!("/api/flows/{slug}/execute"), &json!({})).await.error(422);

    // Who may call, and for how long outputs are kept.
    let key = json!({"name": "Billing service", "scopes": ["runs:read", "runs:write"], "actor": "billing", "roles": ["reviewer"], "expiresAt": "2099-01-01T00:00:00Z"});
    let key = ada.post("/api/api-keys", &key).await.data(201)["apiKey"]["id"].as_str().unwrap().to_owned();
    ada.get("/api/api-keys?limit=1").await.data(200);
    ada.send(Method::DELETE, &format!("/api/api-keys/{key}"), &json!({})).await.data(200);
    ada.get("/api/org/retention").await.data(200);
    ada.send(Method::PUT, "/api/org/retention", &json!({"longRetention": false})).await.data(200);
    stack.nobody.get("/api/flows").await.error(401);
    ada.get("/api/runs/run_01M888RN49YESS4D7F8HBW5P7X").await.error(404);
    ada.call(Method::POST, "/api/flows", &[("content-type", "text/plain")], Some(b"slug=refunds".to_vec())).await.error(415);
    stack.nobody.page("/api/openapi.json", &[]).await;
}
