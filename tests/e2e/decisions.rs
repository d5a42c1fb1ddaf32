//! Decisions: which one wins, what a repetition gets, and which gate a decision names.

use serde_json::json;

use crate::support::{Method, Run, Stack, echo_call, edge, gate, one_gate, spec, transform};

async fn parked(stack: &Stack) -> Run {
    let (_, run) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": {"amount": 10}})).await;
    run.parked().await;
    run
}

#[tokio::test]
async fn the_same_decision_again_by_the_same_actor_gets_the_recorded_one() {
    let stack = Stack::shared();
    let run = parked(&stack).await;
    let body = json!({"proposedActionOverride": {"amount": 9}, "note": "first"});
    let first = run.approve(&body).await.data(200)["decision"].clone();
    // Before the run has ended, and after it.
    for _ in 0..2 {
        assert_eq!(run.approve(&body).await.data(200)["decision"], first);
        let with_another_note = json!({"proposedActionOverride": {"amount": 9}, "note": "second"});
        assert_eq!(run.approve(&with_another_note).await.data(200)["decision"], first, "the recorded note stays");
        run.wait("succeeded").await;
    }
}

#[tokio::test]
async fn any_other_decision_afterwards_is_refused() {
    let stack = Stack::shared();
    let run = parked(&stack).await;
    run.approve(&json!({"proposedActionOverride": {"amount": 9}})).await.data(200);
    for _ in 0..2 {
        assert_eq!(run.approve(&json!({"proposedActionOverride": {"amount": 8}})).await.error(409), "this approval was approved already");
        assert_eq!(
            run.approve(&json!({})).await.error(409),
            "this approval was approved already",
            "the proposal was not what was approved"
        );
        assert_eq!(run.reject(&json!({})).await.error(409), "this approval was approved already");
        let by_another = run.by(&stack.grace).approve(&json!({"proposedActionOverride": {"amount": 9}})).await;
        assert_eq!(by_another.error(409), "this approval was approved already");
        run.wait("succeeded").await;
    }
}

#[tokio::test]
async fn a_rejected_gate_cannot_be_approved() {
    let stack = Stack::shared();
    let run = parked(&stack).await;
    let first = run.reject(&json!({"note": "no"})).await.data(200)["decision"].clone();
    run.wait("failed").await;
    assert_eq!(run.approve(&json!({})).await.error(409), "this approval was rejected already");
    assert_eq!(run.by(&stack.grace).reject(&json!({})).await.error(409), "this approval was rejected already");
    assert_eq!(run.reject(&json!({"note": "no"})).await.data(200)["decision"], first, "the same again is no contradiction");
}

#[tokio::test]
async fn a_run_without_an_approval_cannot_be_decided() {
    let stack = Stack::shared();
    let (_, run) = stack.run(|_| spec(&[transform("only", &json!(1))], &[]), &json!({})).await;
    run.wait("succeeded").await;
    assert_eq!(run.approve(&json!({})).await.error(409), "the run is succeeded and no approval is open");
    assert_eq!(run.reject(&json!({})).await.error(409), "the run is succeeded and no approval is open");
    assert_eq!(run.approve(&json!({"nodeId": "only"})).await.error(404), "approval not found");
}

#[tokio::test]
async fn with_two_gates_open_a_decision_must_name_one() {
    let stack = Stack::shared();
    let parallel = |slug: &str| {
        let join = json!({"left": "${step.left.output.proposedAction}", "right": "${step.right.output.proposedAction}"});
        spec(
            &[
                transform("start", &json!({})),
                gate("left", &json!({"n": 1}), &json!({})),
                gate("right", &json!({"n": 2}), &json!({})),
                echo_call("join", &format!("/{slug}/join"), &join),
            ],
            &[edge("start", "left"), edge("start", "right"), edge("left", "join"), edge("right", "join")],
        )
    };
    let (flow, run) = stack.run(parallel, &json!({})).await;
    run.parked().await;

    for answer in [run.approve(&json!({})).await, run.reject(&json!({})).await] {
        assert_eq!(answer.error(409), "several approvals are open; say which with nodeId: left, right");
        assert_eq!(answer.body["openNodeIds"], json!(["left", "right"]));
    }
    assert_eq!(run.approve(&json!({"nodeId": "join"})).await.error(404), "approval not found");
    assert_eq!(run.approve(&json!({"nodeId": "ghost"})).await.error(404), "approval not found");
    assert_eq!(run.approve(&json!({"nodeId": "not a name"})).await.faulty_fields(400), ["nodeId"]);

    let right = run.approve(&json!({"nodeId": "right", "proposedActionOverride": {"n": 20}})).await;
    assert_eq!(right.data(200)["nodeId"], "right");
    assert_eq!(right.data(200)["run"]["status"], "awaiting_approval", "the other gate is still open");
    assert!(stack.echo.sent_to(&format!("/{}/join", flow.slug)).await.is_empty());
    // Only one gate is open now, and still a repetition of a decision must not decide it.
    let unnamed = run.approve(&json!({"proposedActionOverride": {"n": 10}})).await;
    assert_eq!(unnamed.error(409), "the flow has 2 approvals; say which with nodeId: left");
    let left = run.approve(&json!({"nodeId": "left", "proposedActionOverride": {"n": 10}})).await;
    assert_eq!(left.data(200)["nodeId"], "left");

    run.wait("succeeded").await;
    let joined = stack.echo.only(&format!("/{}/join", flow.slug)).await;
    assert_eq!(*joined.body(), json!({"left": {"n": 10}, "right": {"n": 20}}));
}

#[tokio::test]
async fn gates_one_after_the_other_are_decided_one_after_the_other() {
    let stack = Stack::shared();
    let chain = |slug: &str| {
        spec(
            &[
                gate("first", &json!({"n": 1}), &json!({})),
                gate("second", &json!("${step.first.output.proposedAction}"), &json!({})),
                echo_call("end", &format!("/{slug}/end"), &json!("${step.second.output.proposedAction}")),
            ],
            &[edge("first", "second"), edge("second", "end")],
        )
    };
    let (flow, run) = stack.run(chain, &json!({})).await;
    run.parked().await;
    let open = run.approve(&json!({"proposedActionOverride": {"n": 5}})).await;
    assert_eq!(open.error(409), "the flow has 2 approvals; say which with nodeId: first");
    run.approve(&json!({"nodeId": "first", "proposedActionOverride": {"n": 5}})).await.data(200);
    let view = run.wait_for_step("second", "awaiting_approval").await;
    assert_eq!(view.step("second")["input"]["proposedAction"], json!({"n": 5}), "it proposes what the first one decided");
    assert_ne!(view.step("first")["approvalId"], view.step("second")["approvalId"]);
    run.approve(&json!({"nodeId": "second"})).await.data(200);
    run.wait("succeeded").await;
    assert_eq!(*stack.echo.only(&format!("/{}/end", flow.slug)).await.body(), json!({"n": 5}));
}

#[tokio::test]
async fn an_invalid_body_approves_nothing() {
    let stack = Stack::shared();
    let run = parked(&stack).await;
    for (body, path) in [
        (json!({"proposedActionOveride": {"amount": 1}}), "proposedActionOveride"),
        (json!({"override": {"amount": 1}, "note": "x"}), "override"),
        (json!({"actor": "usr_grace"}), "actor"),
        (json!({"note": 7}), "note"),
        (json!({"note": "x".repeat(4_001)}), "note"),
        (json!({"nodeId": ["review"]}), "nodeId"),
        (json!([]), "body"),
        (json!("approve"), "body"),
        (json!(null), "body"),
    ] {
        assert_eq!(run.approve(&body).await.faulty_fields(400), [path], "{body}");
        assert_eq!(run.reject(&body).await.status, 400, "{body}");
    }
    assert_eq!(run.reject(&json!({"proposedActionOverride": {}})).await.faulty_fields(400), ["proposedActionOverride"]);
    let truncated =
        stack.ada.call(Method::POST, &run.path("approve"), &[("content-type", "application/json")], Some(b"{\"note\":".to_vec())).await;
    assert_eq!(truncated.faulty_fields(400), ["body"]);
    let form = stack.ada.call(Method::POST, &run.path("approve"), &[("content-type", "text/plain")], Some(b"{}".to_vec())).await;
    assert_eq!(form.error(415), "the body must be application/json");
    assert_eq!(run.view().await.status(), "awaiting_approval");
    run.approve(&json!({})).await.data(200);
}

#[tokio::test]
async fn the_actor_of_a_decision_comes_from_the_key_and_not_from_headers() {
    let stack = Stack::shared();
    let run = parked(&stack).await;
    let headers = [("content-type", "application/json"), ("x-actor", "usr_ceo"), ("x-user-id", "usr_ceo")];
    let answer = stack.grace.call(Method::POST, &run.path("approve"), &headers, Some(b"{}".to_vec())).await;
    assert_eq!(answer.data(200)["decision"]["actor"], "usr_grace");
}

#[tokio::test]
async fn several_approvals_are_decided_at_once_and_each_has_its_own_result() {
    let stack = Stack::shared();
    let runs = [parked(&stack).await, parked(&stack).await, parked(&stack).await];
    let mut items = Vec::new();
    for (run, verdict) in runs.iter().zip(["approve", "reject", "approve"]) {
        let step = run.view().await.step("review").clone();
        items.push(json!({"approvalId": step["approvalId"], "shownSha256": step["shownSha256"], "verdict": verdict, "note": "in one go"}));
    }
    items[2]["shownSha256"] = json!("0".repeat(64));
    let ghost = json!({"approvalId": "apr_01JZZZZZZZZZZZZZZZZZZZZZZZ", "shownSha256": "0".repeat(64), "verdict": "approve"});
    items.push(ghost);
    for _ in 0..2 {
        let answer = stack.ada.post("/api/approvals/decide", &json!({"items": items})).await;
        let results: Vec<i64> = answer.data(200)["results"].as_array().unwrap().iter().map(|one| one["status"].as_i64().unwrap()).collect();
        assert_eq!(results, [200, 200, 409, 404], "{}", answer.body);
        assert_eq!((&answer.data(200)["decided"], &answer.data(200)["refused"]), (&json!(2), &json!(2)));
    }
    runs[0].wait("succeeded").await;
    assert_eq!(runs[1].wait("failed").await.step("review")["decision"]["note"], "in one go");
    assert_eq!(runs[2].view().await.status(), "awaiting_approval", "what was shown is something else");
    let stranger = stack.other.post("/api/approvals/decide", &json!({"items": [items[2]]})).await;
    assert_eq!(stranger.data(200)["results"][0]["status"], 404);
    let bad = stack.ada.post("/api/approvals/decide", &json!({"items": [{"approvalId": "x", "verdict": "maybe"}]})).await;
    assert_eq!(bad.faulty_fields(400), ["items[0].approvalId", "items[0].shownSha256", "items[0].verdict"]);
}

#[tokio::test]
async fn a_rejection_that_ends_the_run_closes_the_other_approvals() {
    let stack = Stack::shared();
    let parallel = |_: &str| {
        spec(
            &[transform("start", &json!({})), gate("left", &json!(1), &json!({})), gate("right", &json!(2), &json!({}))],
            &[edge("start", "left"), edge("start", "right")],
        )
    };
    let (flow, run) = stack.run(parallel, &json!({})).await;
    let right = run.parked().await.step("right")["approvalId"].as_str().unwrap().to_owned();
    run.reject(&json!({"nodeId": "left"})).await.data(200);
    run.wait("failed").await;
    assert!(stack.ada.get(&format!("/api/approvals?flow={}", flow.slug)).await.rows().is_empty());
    assert_eq!(stack.ada.get(&format!("/api/approvals/{right}")).await.data(200)["approval"]["status"], "closed");
    assert_eq!(run.approve(&json!({"nodeId": "right"})).await.status, 409);
}
