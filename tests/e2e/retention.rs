//! Outputs are purged when they expire or on request, and leave receipts; the run stays.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::{Method, Run, Stack, edge, eventually, gate, sha256, spec, transform};

/// `big`, whose output is what comes in; `small`; and a step that fails, so that the run can be retried.
fn failing() -> Value {
    let nodes =
        [transform("big", &json!({"copy": "${trigger.text}"})), transform("small", &json!(7)), transform("bad", &json!("${trigger.no}"))];
    spec(&nodes, &[edge("big", "small"), edge("small", "bad")])
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The status of a signed URL.
async fn status_at(stack: &Stack, reference: &Value) -> u16 {
    stack.client.get(reference["url"].as_str().unwrap()).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn an_expired_record_leaves_a_receipt_and_its_object_is_deleted() {
    let stack = Stack::shared();
    let text = "0123456789".repeat(20_000);
    let (flow, run) = stack.run(|_| failing(), &json!({"text": text})).await;
    let before = run.wait("failed").await;
    let big = before.step("big");
    assert_eq!(status_at(&stack, &big["outputRef"]).await, 200);
    assert!(big.get("outputPurgedAt").is_none(), "{big}");

    let expired = now() - 1;
    for node in ["big", "small", "bad"] {
        stack.aws.expire_step(&run.id, node, expired).await;
    }
    // Whether or not the table has deleted it.
    let view = run.view().await;
    for node in ["big", "small"] {
        let step = view.step(node);
        assert!(step.get("output").is_none() && step.get("outputRef").is_none(), "{step}");
    }
    let retry = stack.ada.post(&run.path("retry"), &json!({})).await;
    assert!(retry.error(409).starts_with("what `big` put out in "), "{}", retry.error(409));

    for node in ["big", "small", "bad"] {
        eventually(&format!("the receipt of {node}"), async || {
            stack.aws.step_item(&run.id, node).await.get("purged").filter(|purged| purged.is_object()).map(drop)
        })
        .await;
    }
    let object = json!({"copy": text}).to_string();
    let view = run.view().await;
    let step = view.step("big");
    assert_eq!(step["purged"]["output"], json!({"bytes": object.len(), "sha256": sha256(object.as_bytes())}));
    assert_eq!((step["purged"]["reason"].as_str(), &step["outputPurgedAt"]), (Some("expired"), &step["purged"]["at"]));
    for field in ["startedAt", "completedAt", "durationMs", "attempts", "status", "id"] {
        assert_eq!(step[field], big[field], "{field}");
    }
    assert_eq!(view.step("bad")["error"], before.step("bad")["error"]);
    assert_eq!(status_at(&stack, &big["outputRef"]).await, 404, "the object is gone");
    assert_eq!(status_at(&stack, &view.run["inputRef"]).await, 200, "the input stays");
    assert_eq!(view.status(), "failed");
    let rows = stack.ada.get(&format!("/api/flows/{}/runs", flow.id)).await;
    assert_eq!(rows.rows()[0]["id"], *run.id, "the run's row is there");
}

async fn purge(run: &Run, api: &crate::support::Api) -> crate::support::ApiResponse {
    api.call(Method::DELETE, &run.path("outputs"), &[], None).await
}

#[tokio::test]
async fn a_run_is_purged_at_once_on_request() {
    let stack = Stack::shared();
    let text = "0123456789".repeat(20_000);
    let flow = |_: &str| {
        let nodes =
            [transform("big", &json!("${trigger.text}")), gate("review", &json!({"amount": 1}), &json!({})), transform("small", &json!(7))];
        spec(&nodes, &[edge("big", "review"), edge("review", "small")])
    };
    let (_, run) = stack.run(flow, &json!({"text": text})).await;
    run.parked().await;
    let early = purge(&run, &stack.ada).await;
    assert_eq!(early.error(409), "the run is awaiting_approval; its outputs can be purged once it has ended");
    run.approve(&json!({"note": "fine"})).await.data(200);
    let before = run.wait("succeeded").await;

    assert_eq!(purge(&run, &stack.other).await.error(404), "run not found");
    assert_eq!(purge(&run, &stack.reader).await.error(403), "missing scope: runs:write");
    let first = purge(&run, &stack.ada).await;
    let receipt = first.data(200);
    assert_eq!((receipt["runId"].as_str(), &receipt["objects"]), (Some(run.id.as_str()), &json!(1)));
    assert!(receipt["bytes"].as_u64().unwrap() > 200_000, "{receipt}");
    let named: Vec<&str> = receipt["steps"].as_array().unwrap().iter().map(|step| step["nodeId"].as_str().unwrap()).collect();
    assert_eq!(named, ["big", "small"]);
    assert_eq!(purge(&run, &stack.grace).await.data(200), receipt, "doing it twice gives the same receipt");

    let view = run.view().await;
    for node in ["big", "small"] {
        let step = view.step(node);
        assert!(step.get("output").is_none() && step.get("outputRef").is_none(), "{step}");
        assert_eq!((&step["outputPurgedAt"], step["purged"]["by"].as_str()), (&receipt["purgedAt"], Some("usr_ada")));
        assert_eq!(step["completedAt"], before.step(node)["completedAt"]);
    }
    assert_eq!(view.run["outputPurgedAt"], receipt["purgedAt"]);
    assert_eq!(status_at(&stack, &before.step("big")["outputRef"]).await, 404);
    assert_eq!(status_at(&stack, &view.run["inputRef"]).await, 200);
    assert_eq!(view.step("review")["decision"], before.step("review")["decision"], "the decision stays for good");
}

#[tokio::test]
async fn long_retention_applies_to_existing_and_to_new_outputs() {
    let stack = Stack::shared();
    // Organisation B, in which no other test starts runs.
    let api = &stack.other;
    let body = json!({"slug": crate::support::unique("kept"), "name": "A test", "spec": spec(&[transform("a", &json!(1))], &[])});
    let flow = api.post("/api/flows", &body).await.data(201)["flow"]["id"].as_str().unwrap().to_owned();
    let ended = async || {
        let run = Run::of(api, &api.post(&format!("/api/flows/{flow}/execute"), &json!({})).await.data(202)["run"]);
        run.wait("succeeded").await;
        run
    };
    let expires = async |run: &Run| stack.aws.step_item(&run.id, "a").await["expiresAt"]["N"].as_str().map(str::to_owned);
    let switch = async |value: &Value| api.send(Method::PUT, "/api/org/retention", &json!({"longRetention": value})).await;
    let applied = async |what: &str, run: &Run, kept: bool| {
        eventually(what, async || {
            stack.aws.reconcile().await;
            (expires(run).await.is_none() == kept).then_some(())
        })
        .await;
    };

    // An earlier run of this test may have left it on.
    switch(&json!(false)).await.data(200);
    let old = ended().await;
    applied("the records of runs to expire", &old, false).await;
    let on = switch(&json!(true)).await;
    assert_eq!((&on.data(200)["longRetention"], on.data(200)["job"]["status"].as_str()), (&json!(true), Some("pending")));
    applied("the job to come to the old run", &old, true).await;
    let shown = api.get("/api/org/retention").await;
    let job = &shown.data(200)["job"];
    assert!(job["status"] == "running" && job["runsDone"].as_u64().unwrap() >= 1 && job.get("finishedAt").is_none(), "{job}");

    switch(&json!(false)).await.data(200);
    applied("the job to come back to it", &old, false).await;
    assert_eq!(api.get("/api/org/retention").await.data(200)["longRetention"], json!(false));

    for bad in [json!("yes"), json!(null), json!(1)] {
        assert_eq!(switch(&bad).await.faulty_fields(400), ["longRetention"]);
    }
    assert_eq!(stack.reader.get("/api/org/retention").await.error(403), "missing scope: api:manage");
}
