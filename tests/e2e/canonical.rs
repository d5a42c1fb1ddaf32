//! The canonical flow: a model drafts, a person decides, and what was decided is executed.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{Flow, Run, RunView, Stack, approval_flow, sha256, spec, transform};

fn input() -> Value {
    json!({"ticket": 17, "draft": {"action": "refund", "amount": 129}})
}

async fn parked(stack: &Stack, gate: &Value) -> (Flow, Run) {
    let (flow, run) = stack.run(|slug| approval_flow(slug, gate), &input()).await;
    run.parked().await;
    (flow, run)
}

fn time(step: &Value, field: &str) -> Timestamp {
    let text = step[field].as_str().unwrap_or_else(|| panic!("no {field}: {step}"));
    assert!(text.len() == 24 && text.ends_with('Z'), "{text} is not RFC 3339 in UTC with milliseconds");
    text.parse().unwrap()
}

#[tokio::test]
async fn an_approved_override_is_executed_byte_for_byte() {
    let stack = Stack::shared();
    let (flow, run) = parked(&stack, &json!({})).await;
    let decided = json!({"action": "refund", "amount": 79, "why": "höchstens 79 €"});

    let answer = run.approve(&json!({"proposedActionOverride": decided, "note": "partial refund"})).await;

    let record = answer.data(200)["decision"].clone();
    let view = run.wait("succeeded").await;
    let executed = stack.echo.only(&format!("/{}/execute", flow.slug)).await;
    assert_eq!(*executed.body(), decided);
    assert_eq!(executed.sha256(), record["decidedSha256"]);
    assert_eq!(sha256(executed.raw().as_bytes()), executed.sha256());
    assert_eq!(record["decision"], "approved");
    assert_eq!(record["actor"], "usr_ada");
    assert_eq!(record["note"], "partial refund");
    assert_eq!(record["proposedAction"], json!({"action": "refund", "amount": 129}));
    assert_eq!(record["decidedAction"], decided);
    // printf '{"action":"refund","amount":129}' | sha256sum
    assert_eq!(record["proposedSha256"], "c5a9fde4a6c82cff26cb6a9453ac200cb089bc146e79937acf99b822c646c95f");
    assert_eq!(
        record["patch"],
        json!([{"op": "replace", "path": "/amount", "value": 79}, {"op": "add", "path": "/why", "value": "höchstens 79 €"}])
    );
    assert_eq!(view.step("review")["decision"], record, "the record is kept on the step");
    assert_eq!(view.output("review")["proposedAction"], decided, "downstream reads the override");
    assert_eq!(view.output("review")["decision"], "approved");
    assert_eq!(view.output("review")["note"], "partial refund");
    assert_eq!(view.output("review")["actor"], "usr_ada");
    assert_eq!(view.step("review")["input"]["proposedAction"], json!({"action": "refund", "amount": 129}), "the proposal stays on record");
}

#[tokio::test]
async fn without_an_override_the_proposal_is_executed() {
    let stack = Stack::shared();
    for body in [Some(json!({"note": "fine"})), Some(json!({})), Some(json!({"proposedActionOverride": null, "note": null})), None] {
        let (flow, run) = parked(&stack, &json!({})).await;
        let answer = match &body {
            Some(body) => run.approve(body).await,
            None => stack.ada.call(crate::support::Method::POST, &run.path("approve"), &[], None).await,
        };
        let record = answer.data(200)["decision"].clone();
        assert_eq!(record["note"], body.as_ref().map_or(Value::Null, |body| body["note"].clone()), "{body:?}");
        assert_eq!(record["patch"], json!([]));
        assert_eq!(record["proposedSha256"], record["decidedSha256"]);
        run.wait("succeeded").await;
        let executed = stack.echo.only(&format!("/{}/execute", flow.slug)).await;
        assert_eq!(*executed.body(), json!({"action": "refund", "amount": 129}));
        assert_eq!(executed.sha256(), record["decidedSha256"]);
    }
}

#[tokio::test]
async fn every_request_of_a_run_carries_its_trace_id() {
    let stack = Stack::shared();
    let (flow, run) = parked(&stack, &json!({})).await;
    run.approve(&json!({})).await.data(200);
    let view = run.wait("succeeded").await;
    let trace = view.trace_id();
    assert!(trace.len() == 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit()), "{trace}");
    let asked = stack.model.sent_by(view.key("draft")).await;
    let executed = stack.echo.sent_to(&format!("/{}/execute", flow.slug)).await;
    for (requests, node) in [(asked, "draft"), (executed, "execute")] {
        assert_eq!(requests.len(), 1, "{node}: {requests:?}");
        assert_eq!(requests[0].header("x-quantum-trace-id"), trace);
        assert_eq!(requests[0].header("idempotency-key"), view.key(node));
        assert_eq!(requests[0].header("content-type"), "application/json");
        let parent: Vec<&str> = requests[0].header("traceparent").split('-').collect();
        assert!(matches!(parent[..], ["00", id, span, "01"] if id == trace && span.len() == 16), "{parent:?}");
    }
}

#[tokio::test]
async fn the_record_of_a_run_shows_its_steps_in_execution_order() {
    let stack = Stack::shared();
    let (_, run) = parked(&stack, &json!({"assignTo": "role:reviewer", "data": {"ticket": "${trigger.ticket}"}})).await;
    let waiting = run.view().await;
    assert_eq!(waiting.order(), ["draft", "review", "execute"]);
    assert_eq!(waiting.statuses(), [("draft", "succeeded"), ("execute", "pending"), ("review", "awaiting_approval")]);
    assert_eq!(waiting.step("review")["input"]["assignTo"], "role:reviewer");
    assert_eq!(waiting.step("review")["input"]["data"], json!({"ticket": 17}));
    assert_eq!(waiting.run["finishedAt"], Value::Null);

    run.approve(&json!({})).await.data(200);
    let view = run.wait("succeeded").await;

    assert_eq!(view.order(), ["draft", "review", "execute"]);
    for (at, step) in view.steps().iter().enumerate() {
        assert_eq!(step["status"], "succeeded");
        assert_eq!(step["attempts"], 1, "{step}");
        assert!(step["id"].as_str().unwrap().starts_with("stp_"), "{step}");
        let (started, completed) = (time(step, "startedAt"), time(step, "completedAt"));
        assert_eq!(Some(completed.as_millisecond() - started.as_millisecond()), step["durationMs"].as_i64(), "{step}");
        assert!(at == 0 || time(&view.steps()[at - 1], "completedAt") <= started, "{:#}", view.run);
    }
    assert_eq!(view.step("draft")["input"]["userPrompt"], "Ticket 17. SCRIPTED: {\"action\":\"refund\",\"amount\":129}");
    assert_eq!(view.output("draft")["parsed"], json!({"action": "refund", "amount": 129}));
    assert_eq!(view.step("execute")["input"]["body"], json!({"action": "refund", "amount": 129}));
    assert_eq!(view.step("execute")["response"]["status"], 200);
    assert_eq!(view.output("execute")["body"], json!({"action": "refund", "amount": 129}));
    assert_eq!(view.run["input"], input());
    assert_eq!(view.run["trigger"], "manual");
    assert_eq!(view.run["startedBy"], "usr_ada");
    assert!(time(&view.run, "startedAt") <= time(&view.steps()[0], "startedAt"));
    assert!(time(&view.steps()[2], "completedAt") <= time(&view.run, "finishedAt"));
}

#[tokio::test]
async fn a_run_keeps_the_version_it_started_with() {
    let stack = Stack::shared();
    let (flow, run) = parked(&stack, &json!({})).await;
    let before = run.view().await;
    let changed = json!({"name": "Another flow", "spec": spec(&[transform("only", &json!(1))], &[])});
    let answer = stack.ada.send(crate::support::Method::PATCH, &format!("/api/flows/{}", flow.id), &changed).await;
    assert_eq!(answer.data(200)["flow"]["version"], 2);

    run.approve(&json!({})).await.data(200);
    let view = run.wait("succeeded").await;

    assert_eq!(view.order(), ["draft", "review", "execute"], "it went on as it began");
    let as_it_was = |view: &RunView| {
        assert_eq!(view.run["flowVersion"], 1);
        assert_eq!(view.flow["id"], flow.id);
        assert_eq!(view.flow["slug"], flow.slug);
        assert_eq!(view.flow["name"], "A test");
        assert_eq!(view.flow["spec"], approval_flow(&flow.slug, &json!({})));
    };
    as_it_was(&before);
    as_it_was(&view);
    let next = stack.start(&flow, &json!({})).await.wait("succeeded").await;
    assert_eq!(next.run["flowVersion"], 2);
    assert_eq!(next.order(), ["only"]);
    assert_eq!(next.flow["name"], "Another flow");
}
