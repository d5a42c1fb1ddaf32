//! Two organisations: nothing of one can be seen or touched with the other's key.

use serde_json::json;

use crate::support::{Method, Stack, one_gate};

#[tokio::test]
async fn to_another_organisation_a_flow_or_run_looks_like_one_that_does_not_exist() {
    let stack = Stack::shared();
    let (flow, run) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": {"amount": 1}})).await;
    let before = run.parked().await;
    let flow_before = stack.ada.get(&format!("/api/flows/{}", flow.id)).await.body;
    let (ghost_flow, ghost_run) = ("flw_01JZZZZZZZZZZZZZZZZZZZZZZZ", "run_01JZZZZZZZZZZZZZZZZZZZZZZZ");

    let calls = |flow: &str, run: &str| {
        vec![
            (Method::GET, format!("/api/flows/{flow}"), None),
            (Method::PATCH, format!("/api/flows/{flow}"), Some(json!({"name": "stolen"}))),
            (Method::PUT, format!("/api/flows/{flow}"), Some(json!({"status": "paused"}))),
            (Method::POST, format!("/api/flows/{flow}/execute"), Some(json!({}))),
            (Method::GET, format!("/api/flows/{flow}/runs"), None),
            (Method::GET, format!("/api/flows/{flow}/runs?status=awaiting_approval"), None),
            (Method::GET, format!("/api/approvals?flow={flow}"), None),
            (Method::GET, format!("/api/runs/{run}"), None),
            (Method::POST, format!("/api/runs/{run}/approve"), Some(json!({"proposedActionOverride": {"amount": 1_000_000}}))),
            (Method::POST, format!("/api/runs/{run}/approve"), Some(json!({"nodeId": "review"}))),
            (Method::POST, format!("/api/runs/{run}/reject"), Some(json!({"note": "no"}))),
            (Method::POST, format!("/api/runs/{run}/cancel"), Some(json!({"reason": "no"}))),
        ]
    };
    let absent = calls(ghost_flow, ghost_run);
    for name in [&flow.id, &flow.slug] {
        for ((method, path, body), (_, ghost, _)) in calls(name, &run.id).into_iter().zip(&absent) {
            let bytes = body.as_ref().map(|body| body.to_string().into_bytes());
            let headers: &[(&str, &str)] = if bytes.is_some() { &[("content-type", "application/json")] } else { &[] };
            let foreign = stack.other.call(method.clone(), &path, headers, bytes.clone()).await;
            let missing = stack.ada.call(method.clone(), ghost, headers, bytes).await;
            assert_eq!(foreign.status, 404, "{method} {path}: {}", foreign.body);
            assert_eq!(foreign.body, missing.body, "{method} {path}");
        }
    }

    assert_eq!(run.view().await.run, before.run);
    assert_eq!(stack.ada.get(&format!("/api/flows/{}", flow.id)).await.body, flow_before);
    run.approve(&json!({})).await.data(200);
    run.wait("succeeded").await;
}

#[tokio::test]
async fn lists_show_only_the_own_organisation() {
    let stack = Stack::shared();
    let (ours, run) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": 1})).await;
    run.parked().await;
    let body = json!({"slug": ours.slug, "name": "Theirs", "spec": one_gate(&ours.slug, &json!({}))});
    let theirs = stack.other.post("/api/flows", &body).await.data(201)["flow"]["id"].as_str().unwrap().to_owned();
    let started = stack.other.post(&format!("/api/flows/{}/execute", ours.slug), &json!({"action": 2})).await;
    let their_run = crate::support::Run::of(&stack.other, &started.data(202)["run"]);
    their_run.parked().await;

    // The same slug names another flow in each organisation.
    for (api, flow, run) in [(&stack.ada, &ours.id, &run.id), (&stack.other, &theirs, &their_run.id)] {
        assert_eq!(api.get(&format!("/api/flows/{}", ours.slug)).await.data(200)["flow"]["id"], *flow);
        let runs = api.get(&format!("/api/flows/{}/runs", ours.slug)).await;
        assert_eq!(runs.rows().iter().map(|row| &row["id"]).collect::<Vec<_>>(), [run.as_str()]);
        let inbox = api.get(&format!("/api/approvals?flow={}", ours.slug)).await;
        assert_eq!(inbox.rows().iter().map(|row| &row["runId"]).collect::<Vec<_>>(), [run.as_str()]);
    }
    for path in ["/api/flows?limit=100", "/api/approvals?limit=100"] {
        let text = stack.other.get(path).await.body.to_string();
        assert!(!text.contains(&ours.id) && !text.contains(&run.id), "{path}");
    }
    assert_eq!(run.by(&stack.other).approve(&json!({})).await.status, 404);
    their_run.cancel("done").await.data(200);
}

#[tokio::test]
async fn an_idempotency_key_of_one_organisation_means_nothing_to_another() {
    let stack = Stack::shared();
    let flow = stack.flow(|slug| one_gate(slug, &json!({}))).await;
    let body = json!({"slug": flow.slug, "name": "Theirs", "spec": one_gate(&flow.slug, &json!({}))});
    stack.other.post("/api/flows", &body).await.data(201);
    let headers = [("content-type", "application/json"), ("idempotency-key", "the-same")];
    let mut runs = Vec::new();
    for api in [&stack.ada, &stack.other] {
        let answer = api.call(Method::POST, &format!("/api/flows/{}/execute", flow.slug), &headers, Some(b"{\"action\":1}".to_vec())).await;
        runs.push(answer.data(202)["run"]["id"].clone());
    }
    assert_ne!(runs[0], runs[1]);
}
