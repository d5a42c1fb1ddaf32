//! Crashes: processes die without a last word, and every run ends or waits all the same.
//!
//! These tests have the stack to themselves. They find its processes through /proc.

use serde_json::{Value, json};

use crate::support::{Recorded, RunView, Stack, echo_call, edge, eventually, one_gate, spec, transform};

/// A chain of slow calls `a`, `b`, `c` with a fast one at the end.
fn chain(slug: &str) -> Value {
    let slow = |id: &str| echo_call(id, &format!("/delay/1500/{slug}/{id}"), &json!({"from": id}));
    spec(
        &[slow("a"), slow("b"), slow("c"), echo_call("end", &format!("/{slug}/end"), &json!({"c": "${step.c.output.body.from}"}))],
        &[edge("a", "b"), edge("b", "c"), edge("c", "end")],
    )
}

/// The requests of a step, of which there may be several after a crash, but only under one key and with the same bytes.
async fn sent(stack: &Stack, view: &RunView, node: &str, path: &str) -> Vec<Recorded> {
    let requests = stack.echo.sent_to(path).await;
    assert!(!requests.is_empty(), "{node} was never sent");
    for request in &requests {
        assert_eq!(request.header("idempotency-key"), view.step_id(node));
        assert_eq!(request.sha256(), requests[0].sha256());
    }
    requests
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "finds processes through /proc, which only Linux has")]
async fn a_run_whose_worker_is_killed_goes_on_where_its_record_ends() {
    let stack = Stack::alone();
    let (flow, run) = stack.run(chain, &json!({})).await;
    let path = |node: &str| format!("/delay/1500/{}/{node}", flow.slug);
    stack.echo.wait_for(&path("b")).await;

    assert!(stack.kill_functions(Some("advance-run")) > 0, "no advance-run process was found");

    let view = run.wait("succeeded").await;
    assert_eq!(sent(&stack, &view, "a", &path("a")).await.len(), 1, "what is on record is not repeated");
    assert_eq!(sent(&stack, &view, "b", &path("b")).await.len(), 2, "what was under way is");
    assert_eq!(sent(&stack, &view, "c", &path("c")).await.len(), 1);
    assert_eq!(sent(&stack, &view, "end", &format!("/{}/end", flow.slug)).await.len(), 1);
    let attempts: Vec<_> = view.steps().iter().map(|step| step["attempts"].as_u64().unwrap()).collect();
    assert_eq!(attempts, [1, 2, 1, 1], "attempts are those that were begun");
    assert_eq!(*view.output("end").pointer("/body/c").unwrap(), "c");
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "finds processes through /proc, which only Linux has")]
async fn parallel_branches_survive_a_killed_worker() {
    let stack = Stack::alone();
    let (flow, run) = stack
        .run(
            |slug| {
                let call = |id: &str, wait: u32| echo_call(id, &format!("/delay/{wait}/{slug}/{id}"), &json!({"from": id}));
                let join = json!(["${step.a.output.body.from}", "${step.b.output.body.from}", "${step.quick.output.body.from}"]);
                spec(
                    &[
                        transform("start", &json!(1)),
                        call("a", 2000),
                        call("b", 2000),
                        call("quick", 1),
                        echo_call("join", &format!("/{slug}/join"), &join),
                    ],
                    &["a", "b", "quick"].map(|id| [edge("start", id), edge(id, "join")]).concat(),
                )
            },
            &json!({}),
        )
        .await;
    run.wait_for_step("quick", "succeeded").await;
    stack.echo.wait_for(&format!("/delay/2000/{}/a", flow.slug)).await;
    stack.echo.wait_for(&format!("/delay/2000/{}/b", flow.slug)).await;

    assert!(stack.kill_functions(Some("advance-run")) > 0);

    let view = run.wait("succeeded").await;
    for (node, wait, times) in [("a", 2000, 2), ("b", 2000, 2), ("quick", 1, 1)] {
        let requests = sent(&stack, &view, node, &format!("/delay/{wait}/{}/{node}", flow.slug)).await;
        assert_eq!(requests.len(), times, "{node}");
    }
    assert_eq!(*stack.echo.only(&format!("/{}/join", flow.slug)).await.body(), json!(["a", "b", "quick"]));
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "finds processes through /proc, which only Linux has")]
async fn a_run_survives_one_crash_at_every_node() {
    let stack = Stack::alone();
    let (flow, run) = stack.run(chain, &json!({})).await;
    for node in ["a", "b", "c"] {
        stack.echo.wait_for(&format!("/delay/1500/{}/{node}", flow.slug)).await;
        assert!(stack.kill_functions(Some("advance-run")) > 0, "{node}");
    }
    let view = run.wait("succeeded").await;
    for node in ["a", "b", "c"] {
        assert_eq!(sent(&stack, &view, node, &format!("/delay/1500/{}/{node}", flow.slug)).await.len(), 2, "{node}");
    }
    assert_eq!(sent(&stack, &view, "end", &format!("/{}/end", flow.slug)).await.len(), 1);
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "finds processes through /proc, which only Linux has")]
async fn a_run_whose_worker_dies_every_time_is_settled_as_failed() {
    let stack = Stack::alone();
    let (flow, run) = stack
        .run(
            |slug| {
                let mut call = echo_call("deadly", &format!("/delay/60000/{slug}"), &json!({}));
                call["timeoutSeconds"] = json!(90);
                spec(&[call, transform("after", &json!(1))], &[edge("deadly", "after")])
            },
            &json!({}),
        )
        .await;
    let path = format!("/delay/60000/{}", flow.slug);
    let mut killed = 0;
    let view = eventually("the run to be settled", async || {
        // Each attempt is killed once it has done what it must not do without being remembered.
        let requests = stack.echo.sent_to(&path).await.len();
        if requests > killed {
            killed = requests;
            stack.kill_functions(Some("advance-run"));
        }
        let view = run.view().await;
        view.run["finishedAt"].is_string().then_some(view)
    })
    .await;
    assert_eq!(view.status(), "failed");
    assert!(view.error().starts_with("the execution that drove the run ended as FAILED"), "{}", view.error());
    assert_eq!(view.statuses(), [("after", "cancelled"), ("deadly", "failed")]);
    let requests = sent(&stack, &view, "deadly", &path).await.len();
    assert!((2..=5).contains(&requests), "{requests} attempts");
    assert_eq!(run.cancel("late").await.status, 409);
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "finds processes through /proc, which only Linux has")]
async fn a_parked_run_does_not_notice_that_every_process_dies() {
    let stack = Stack::alone();
    let (flow, run) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": {"amount": 1}})).await;
    run.parked().await;
    eventually("the run to hold its task token", async || stack.aws.run_item(&run.id).await.get("token").map(drop)).await;

    assert!(stack.kill_functions(None) > 0);

    run.approve(&json!({"proposedActionOverride": {"amount": 2}})).await.data(200);
    let view = run.wait("succeeded").await;
    assert_eq!(*stack.echo.only(&format!("/{}/execute", flow.slug)).await.body(), json!({"amount": 2}));
    assert_eq!(view.step("execute")["attempts"], 1);
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "finds processes through /proc, which only Linux has")]
async fn a_worker_that_dies_after_the_approval_executes_what_was_decided() {
    let stack = Stack::alone();
    let slow = |slug: &str| {
        let mut spec = one_gate(slug, &json!({}));
        spec["nodes"][1]["path"] = json!(format!("/delay/1500/{slug}/execute"));
        spec
    };
    let (flow, run) = stack.run(slow, &json!({"action": {"amount": 1}})).await;
    run.parked().await;
    run.approve(&json!({"proposedActionOverride": {"amount": 2}})).await.data(200);
    let path = format!("/delay/1500/{}/execute", flow.slug);
    stack.echo.wait_for(&path).await;

    assert!(stack.kill_functions(Some("advance-run")) > 0);

    let view = run.wait("succeeded").await;
    let requests = sent(&stack, &view, "execute", &path).await;
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].sha256(), view.step("review")["decision"]["decidedSha256"]);
}

#[tokio::test]
async fn a_run_whose_execution_is_stopped_from_outside_is_settled_as_failed() {
    let stack = Stack::alone();
    let (flow, run) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": 1})).await;
    run.parked().await;
    eventually("the run to hold its task token", async || stack.aws.run_item(&run.id).await.get("token").map(drop)).await;

    stack.aws.stop_segment(&run.id, 2).await;

    let view = run.wait("failed").await;
    assert!(view.error().starts_with("the execution that drove the run ended as ABORTED"), "{}", view.error());
    assert_eq!(run.approve(&json!({})).await.error(409), "this approval is closed: its run has ended");
    assert!(stack.ada.get(&format!("/api/approvals?flow={}", flow.id)).await.rows().is_empty());
    assert!(stack.echo.sent_to(&format!("/{}/execute", flow.slug)).await.is_empty());
}
