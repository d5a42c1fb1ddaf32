//! A reviewer requests changes: the model revises its draft, and the approval opens anew.

use serde_json::{Value, json};

use crate::support::{Run, RunView, Stack, echo_call, edge, gate, spec};

/// A draft, a call with it, an approval that may be sent back once, and the execution of what was approved.
fn revised_flow(slug: &str) -> Value {
    let schema = json!({"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]});
    let draft = json!({
        "id": "draft", "type": "llm_step", "systemPrompt": "You draft refunds.", "userPrompt": "Ticket 7. SCRIPTED: {\"amount\": 90}",
        "outputSchema": schema,
    });
    let review = gate("review", &json!("${step.draft.output.parsed}"), &json!({"revise": {"node": "draft", "maxRounds": 2}}));
    let nodes = [
        draft,
        echo_call("check", &format!("/{slug}/check"), &json!("${step.draft.output.parsed}")),
        review,
        echo_call("execute", &format!("/{slug}/execute"), &json!("${step.review.output.proposedAction}")),
    ];
    spec(&nodes, &[edge("draft", "check"), edge("check", "review"), edge("review", "execute")])
}

async fn parked(stack: &Stack) -> (String, Run, RunView) {
    let (flow, run) = stack.run(revised_flow, &json!({})).await;
    let view = run.parked().await;
    (flow.slug, run, view)
}

fn note(amount: u64) -> Value {
    json!({"note": format!("Not the shipping. SCRIPTED: {{\"amount\": {amount}}}")})
}

#[tokio::test]
async fn the_model_revises_its_draft_and_exactly_what_is_approved_then_is_executed() {
    let stack = Stack::shared();
    let (slug, run, before) = parked(&stack).await;
    let requested = run.request_changes(&note(80)).await;
    let requested = requested.data(200);
    assert_eq!((&requested["round"], &requested["nodeId"]), (&json!(1), &json!("review")));
    assert_eq!(requested["approvalId"], before.step("review")["approvalId"]);
    assert_eq!(requested["changeRequest"]["actor"], "usr_ada");
    let view = run.parked().await;

    let asked = stack.model.sent_by(view.key("draft")).await;
    let said: Vec<(Value, Value)> = asked[0].body()["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| (message["role"].clone(), message["content"].clone()))
        .collect();
    let draft = before.output("draft")["text"].clone();
    assert_eq!(said[2..], [(json!("assistant"), draft), (json!("user"), note(80)["note"].clone())]);
    assert_eq!(view.step("review")["input"]["proposedAction"], json!({"amount": 80}));
    assert_ne!(view.step("review")["approvalId"], before.step("review")["approvalId"]);
    assert_eq!(view.step("review")["round"], 2);

    let approved = run.approve(&json!({"approvalId": view.step("review")["approvalId"]})).await;
    approved.data(200);
    let ended = run.wait("succeeded").await;
    let checks = stack.echo.sent_to(&format!("/{slug}/check")).await;
    assert_eq!(checks.iter().map(|sent| sent.body().clone()).collect::<Vec<_>>(), [json!({"amount": 90}), json!({"amount": 80})]);
    let executed = stack.echo.sent_to(&format!("/{slug}/execute")).await;
    assert_eq!(executed.iter().map(|sent| sent.body().clone()).collect::<Vec<_>>(), [json!({"amount": 80})]);

    // Every round stays on record.
    let rounds = |node: &str| ended.step(node)["rounds"].as_array().unwrap().clone();
    assert_eq!(rounds("draft")[0]["output"]["parsed"], json!({"amount": 90}));
    assert_ne!(rounds("check")[0]["idempotencyKey"], ended.step("check")["idempotencyKey"]);
    assert_eq!(rounds("review")[0]["changeRequest"]["note"], note(80)["note"]);
    assert!(rounds("review")[0].get("decision").is_none());
    assert!(ended.step("execute").get("rounds").is_none());
    let part = stack.ada.get(&format!("{}/steps/draft/output?round=1", run.path(""))).await;
    assert_eq!(part.data(200)["output"]["parsed"], json!({"amount": 90}));
    assert_eq!(stack.ada.get(&format!("{}/steps/draft/output?round=0", run.path(""))).await.status, 400);
    stack.ada.get(&format!("{}/steps/draft/output?round=9", run.path(""))).await.error(404);
}

#[tokio::test]
async fn exhausted_rounds_and_bad_requests_are_refused() {
    let stack = Stack::shared();
    let (_, run, before) = parked(&stack).await;
    for body in
        [json!({}), json!({"note": " "}), json!({"note": "x".repeat(4_001)}), json!({"note": "x", "approvalId": "x"}), json!({"note": 7})]
    {
        assert_eq!(run.request_changes(&body).await.status, 400, "{body}");
    }
    let first = before.step("review")["approvalId"].clone();
    let again = json!({"note": note(80)["note"], "approvalId": first});
    run.request_changes(&again).await.data(200);
    run.request_changes(&again).await.data(200);
    let second = run.parked().await.step("review")["approvalId"].clone();
    run.request_changes(&again).await.data(200);
    assert!(run.request_changes(&note(80)).await.error(409).contains("opened more than once"));
    let refused = run.request_changes(&json!({"note": "once more", "approvalId": second})).await;
    assert!(refused.error(409).ends_with("only approve or reject"));
    run.reject(&json!({"approvalId": second})).await.data(200);
    stack.ada.post("/api/runs/run_01M88EBM6YQGG4YD64Z1HD9T0P/request-changes", &note(1)).await.error(404);
}

#[tokio::test]
async fn a_flow_without_revise_has_nothing_to_go_back_to() {
    let stack = Stack::shared();
    let (_, run) = stack.run(|slug| crate::support::one_gate(slug, &json!({})), &json!({"action": {"amount": 10}})).await;
    run.parked().await;
    assert!(run.request_changes(&note(1)).await.error(409).contains("does not say what is revised"));
}
