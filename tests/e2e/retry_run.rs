//! Retries of runs: a new run that continues from what the first one had finished.

use serde_json::{Value, json};

use crate::support::{Method, ScriptedServer, Stack, approval_flow, edge, json_answer, one_gate, sha256, spec, transform};

/// The canonical flow, whose last call goes to a service that refuses once.
fn refused_once(slug: &str, url: &str) -> Value {
    let mut flow = approval_flow(slug, &json!({}));
    flow["nodes"][2] = json!({
        "id": "execute", "type": "http_request", "url": format!("{url}/pay"), "method": "POST", "body": "${step.review.output.proposedAction}",
    });
    flow
}

#[tokio::test]
async fn a_retry_executes_what_was_approved_without_another_approval() {
    let stack = Stack::shared();
    let server = ScriptedServer::start(vec![json_answer("400 No", "", "{}"), json_answer("200 OK", "", r#"{"paid": true}"#)]).await;
    let input = json!({"ticket": 7, "draft": {"action": "refund", "amount": 120}});
    let (flow, before) = stack.run(|slug| refused_once(slug, &server.url), &input).await;
    before.parked().await;
    let edited = json!({"action": "refund", "amount": 80});
    before.approve(&json!({"proposedActionOverride": edited})).await.data(200);
    let failed = before.wait("failed").await;

    let run = before.by(&stack.grace).retry(&json!({})).await;
    let view = run.wait("succeeded").await;

    assert_eq!((&view.run["retryOf"], &view.run["startedBy"]), (&json!(before.id), &json!("usr_grace")));
    assert_eq!(view.run["input"], input);
    assert_eq!(view.order(), ["draft", "review", "execute"]);
    assert_eq!(view.output("execute")["body"], json!({"paid": true}));
    for node in ["draft", "review"] {
        assert_eq!(view.step(node)["reusedFrom"], before.id);
        assert_eq!(view.output(node), failed.output(node));
    }
    assert!(view.step("execute").get("reusedFrom").is_none());
    assert_eq!(view.step("review")["decision"]["decidedSha256"], sha256(edited.to_string().as_bytes()));
    assert_eq!(view.key("execute"), failed.key("execute"), "the service recognises the repetition");
    assert_eq!(stack.model.sent_by(view.key("draft")).await.len(), 1, "the model is not asked again");
    assert_eq!(before.view().await.run, failed.run, "the old run stays as it was");

    let list = stack.ada.get(&format!("/api/flows/{}/runs", flow.id)).await;
    let retries: Vec<_> = list.rows().iter().map(|row| row.get("retryOf").cloned()).collect();
    assert_eq!(retries, [Some(json!(before.id)), None]);
}

#[tokio::test]
async fn a_retry_of_a_rejected_run_asks_for_an_approval_again() {
    let stack = Stack::shared();
    let (flow, before) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": {"amount": 1}})).await;
    before.parked().await;
    before.reject(&json!({"note": "too early"})).await.data(200);
    before.wait("failed").await;

    let run = before.retry(&json!({})).await;
    let parked = run.parked().await;
    assert!(parked.step("review").get("decision").is_none());
    run.approve(&json!({})).await.data(200);
    run.wait("succeeded").await;
    assert_eq!(*stack.echo.only(&format!("/{}/execute", flow.slug)).await.body(), json!({"amount": 1}));
}

#[tokio::test]
async fn a_retry_on_a_corrected_flow_continues_at_the_failed_node() {
    let stack = Stack::shared();
    let flow_of = |path: &str| {
        let nodes = [transform("large", &json!({"text": "x".repeat(150_000)})), transform("read", &json!(path))];
        spec(&nodes, &[edge("large", "read")])
    };
    let flow = stack.flow(|_| flow_of("${trigger.misspelt}")).await;
    let before = stack.start(&flow, &json!({"n": 5})).await;
    before.wait("failed").await;
    let (path, mended) = (format!("/api/flows/{}", flow.id), json!({"spec": flow_of("${trigger.n}")}));
    assert_eq!(stack.ada.send(Method::PATCH, &path, &mended).await.data(200)["flow"]["version"], 2);

    let same = before.retry(&json!({})).await.wait("failed").await;
    assert_eq!(same.run["flowVersion"], 1);
    let run = before.retry(&json!({"flowVersion": "latest"})).await;
    let view = run.wait("succeeded").await;
    assert_eq!((&view.run["flowVersion"], view.output("read")), (&json!(2), &json!(5)));
    let reference = &view.step("large")["outputRef"];
    assert_eq!(view.step("large")["reusedFrom"], before.id);
    let url = reference["url"].as_str().unwrap();
    assert!(url.contains(&run.id), "it does not depend on what is kept of the old run: {url}");
    let text = stack.client.get(url).send().await.unwrap().text().await.unwrap();
    assert_eq!(sha256(text.as_bytes()), reference["sha256"]);
}

#[tokio::test]
async fn a_retry_is_refused_where_there_is_nothing_to_retry() {
    let stack = Stack::shared();
    let flow = stack.flow(|_| spec(&[transform("a", &json!("${trigger.n}"))], &[])).await;
    let done = stack.start(&flow, &json!({"n": 1})).await;
    done.wait("succeeded").await;
    let refused = stack.ada.post(&done.path("retry"), &json!({})).await;
    assert_eq!(refused.error(409), "the run is succeeded; only a run that failed or was cancelled can be retried");

    let failed = stack.start(&flow, &json!({})).await;
    failed.wait("failed").await;
    let retry = failed.path("retry");
    assert_eq!(stack.ada.post(&retry, &json!({"fromNodeId": "b"})).await.faulty_fields(400), ["fromNodeId"]);
    assert_eq!(stack.ada.post(&retry, &json!({"fromNodeId": 5, "flowVersion": 2})).await.faulty_fields(400), ["flowVersion", "fromNodeId"]);
    assert_eq!(stack.ada.post(&retry, &json!({"from": "a"})).await.faulty_fields(400), ["from"]);
    assert_eq!(stack.other.post(&retry, &json!({})).await.error(404), "run not found");
    assert_eq!(stack.reader.post(&retry, &json!({})).await.error(403), "missing scope: runs:write");

    let key = [("idempotency-key", "once")];
    let call = || stack.ada.call(Method::POST, &retry, &key, None);
    let (first, second) = (call().await, call().await);
    assert_eq!(first.data(202)["run"]["id"], second.data(202)["run"]["id"]);

    let paused = stack.ada.send(Method::PATCH, &format!("/api/flows/{}", flow.id), &json!({"status": "paused"})).await;
    paused.data(200);
    assert_eq!(stack.ada.post(&retry, &json!({})).await.error(422), "the flow is paused; only an active flow runs");
}
