//! Cancelling: after it has answered 200, no further node starts.

use serde_json::json;

use crate::support::{Stack, echo_call, edge, eventually, one_gate, spec, transform};

#[tokio::test]
async fn a_parked_run_that_is_cancelled_executes_nothing() {
    let stack = Stack::shared();
    let (flow, run) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": {"amount": 1}})).await;
    let waiting = run.parked().await;
    let inbox = format!("/api/approvals?flow={}", flow.slug);
    assert_eq!(stack.ada.get(&inbox).await.rows().len(), 1);
    // Until the token is written, the segment may not have parked yet.
    eventually("the run to hold its task token", async || stack.aws.run_item(&run.id).await.get("token").map(drop)).await;

    let answer = run.cancel("the customer called").await;

    let cancelled = answer.data(200)["run"].clone();
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(cancelled["cancelledBy"], "usr_ada");
    assert_eq!(cancelled["cancelReason"], "the customer called");
    assert!(cancelled["finishedAt"].is_string());
    assert!(stack.ada.get(&inbox).await.rows().is_empty(), "a cancelled run has no open approval");
    assert_eq!(run.approve(&json!({})).await.error(409), "this approval is closed: its run has ended");
    assert_eq!(run.reject(&json!({})).await.error(409), "this approval is closed: its run has ended");
    assert_eq!(run.approve(&json!({"nodeId": "review"})).await.status, 409);
    let view = run.view().await;
    assert_eq!(view.statuses(), [("execute", "cancelled"), ("review", "cancelled")]);
    assert_eq!(view.step("review")["approvalId"], waiting.step("review")["approvalId"], "what was asked stays on record");
    assert!(view.step("review").get("decision").is_none(), "there is no decision");
    eventually("the execution to be stopped", async || stack.aws.segment(&run.id, 2).await.filter(|status| status == "ABORTED").map(drop))
        .await;
    assert_eq!(run.view().await.status(), "cancelled", "the stopped execution does not make it failed");
    assert!(stack.echo.sent_to(&format!("/{}/execute", flow.slug)).await.is_empty());
}

#[tokio::test]
async fn cancelling_twice_changes_nothing() {
    let stack = Stack::shared();
    let (_, run) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": {"amount": 1}})).await;
    run.parked().await;
    let first = run.cancel("first").await.data(200).clone();
    let second = run.by(&stack.grace).cancel("second").await;
    assert_eq!(*second.data(200), first, "who cancelled it first, and why, stays");
}

#[tokio::test]
async fn a_run_that_has_ended_cannot_be_cancelled() {
    let stack = Stack::shared();
    let flow = stack.flow(|_| spec(&[transform("only", &json!("${trigger.there}"))], &[])).await;
    for (input, status) in [(json!({"there": 1}), "succeeded"), (json!({}), "failed")] {
        let run = stack.start(&flow, &input).await;
        let before = run.wait(status).await;
        assert_eq!(run.cancel("late").await.error(409), format!("the run is already {status}"));
        assert_eq!(run.view().await.run, before.run);
    }
}

#[tokio::test]
async fn nothing_starts_after_a_run_was_cancelled_in_the_middle_of_a_call() {
    let stack = Stack::shared();
    let (flow, run) = stack
        .run(
            |slug| {
                let call = |id: &str, wait: &str| echo_call(id, &format!("{wait}/{slug}/{id}"), &json!({}));
                spec(
                    &[transform("start", &json!(1)), call("slow", "/hold"), call("after", ""), call("join", "")],
                    &[edge("start", "slow"), edge("slow", "after"), edge("after", "join")],
                )
            },
            &json!({}),
        )
        .await;
    let slow = format!("/hold/{}/slow", flow.slug);
    stack.echo.wait_for(&slow).await;

    let answer = run.cancel("stop").await;
    stack.echo.release(&slow).await;

    assert_eq!(answer.data(200)["run"]["status"], "cancelled");
    // The response to the request that was sent is recorded when it comes, which is also when `after` would have started.
    let view = eventually("the answer to the call that was under way", async || {
        let view = run.view().await;
        view.step("slow").get("output").is_some().then_some(view)
    })
    .await;
    assert_eq!(view.statuses(), [("after", "cancelled"), ("join", "cancelled"), ("slow", "cancelled"), ("start", "succeeded")]);
    assert_eq!(view.status(), "cancelled");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    for node in ["after", "join"] {
        assert!(stack.echo.sent_to(&format!("/{}/{node}", flow.slug)).await.is_empty(), "{node}");
    }
    assert_eq!(run.view().await.run, view.run);
}

#[tokio::test]
async fn a_run_can_be_cancelled_without_a_reason_but_not_with_a_misspelt_one() {
    let stack = Stack::shared();
    let (_, run) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": {"amount": 1}})).await;
    run.parked().await;
    assert_eq!(stack.ada.post(&run.path("cancel"), &json!({"raeson": "x"})).await.faulty_fields(400), ["raeson"]);
    assert_eq!(stack.ada.post(&run.path("cancel"), &json!({"reason": 5})).await.faulty_fields(400), ["reason"]);
    assert_eq!(run.view().await.status(), "awaiting_approval");
    let answer = stack.ada.call(crate::support::Method::POST, &run.path("cancel"), &[], None).await;
    assert!(answer.data(200)["run"].get("cancelReason").is_none());
}
