//! Crashes: processes are killed, and every run still ends or waits.
//!
//! Each of these tests has the stack to itself. They find its processes through /proc.

use serde_json::{Value, json};

use crate::support::{Recorded, RunView, Stack, echo_call, edge, eventually, one_gate, spec, transform};

/// A chain of ten calls `n1` to `n10`, each of which sends the previous one's response. Those in `held` are answered when the
/// test releases them.
fn ten(slug: &str, held: &[usize]) -> Value {
    let nodes: Vec<Value> = (1..=10)
        .map(|at| {
            let body =
                if at == 1 { json!({"from": 1}) } else { json!({"from": at, "before": format!("${{step.n{}.output.body.from}}", at - 1)}) };
            echo_call(&format!("n{at}"), &path(slug, at, held), &body)
        })
        .collect();
    let edges: Vec<Value> = (1..10).map(|at| edge(&format!("n{at}"), &format!("n{}", at + 1))).collect();
    spec(&nodes, &edges)
}

fn path(slug: &str, at: usize, held: &[usize]) -> String {
    if held.contains(&at) { format!("/hold/{slug}/{at}") } else { format!("/{slug}/{at}") }
}

/// The requests of a step. There may be several after a crash, but only under one key and with the same bytes.
async fn sent(stack: &Stack, view: &RunView, node: &str, path: &str) -> Vec<Recorded> {
    let requests = stack.echo.sent_to(path).await;
    assert!(!requests.is_empty(), "{node} was never sent");
    for request in &requests {
        // A step that did not end has no record that shows the key.
        let key = request.header("idempotency-key");
        assert!(key.starts_with(&format!("{}/{node}/", view.run["id"].as_str().unwrap())), "{key}");
        assert_eq!(key, requests[0].header("idempotency-key"));
        assert_eq!(request.sha256(), requests[0].sha256());
    }
    requests
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "finds processes through /proc, which only Linux has")]
async fn a_run_of_ten_nodes_whose_worker_is_killed_continues_from_its_record() {
    let stack = Stack::alone();
    let held = [5];
    let (flow, run) = stack.run(|slug| ten(slug, &held), &json!({})).await;
    let path = |at| path(&flow.slug, at, &held);
    stack.echo.wait_for(&path(5)).await;

    assert!(stack.kill_functions(Some("advance-run")) > 0, "no advance-run process was found");
    stack.echo.release(&path(5)).await;

    let view = run.wait("succeeded").await;
    for at in 1..=10 {
        let requests = sent(&stack, &view, &format!("n{at}"), &path(at)).await;
        assert_eq!(requests.len(), if at == 5 { 2 } else { 1 }, "n{at}: what is on record is not repeated, what was under way is");
        assert_eq!(requests[0].body()["before"], if at == 1 { json!(null) } else { json!(at - 1) });
        assert_eq!(view.step(&format!("n{at}"))["attempts"], requests.len(), "attempts are those that were begun");
    }
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "finds processes through /proc, which only Linux has")]
async fn parallel_branches_survive_a_killed_worker() {
    let stack = Stack::alone();
    let (flow, run) = stack
        .run(
            |slug| {
                let call = |id: &str, prefix: &str| echo_call(id, &format!("{prefix}/{slug}/{id}"), &json!({"from": id}));
                let join = json!(["${step.a.output.body.from}", "${step.b.output.body.from}", "${step.quick.output.body.from}"]);
                spec(
                    &[
                        transform("start", &json!(1)),
                        call("a", "/hold"),
                        call("b", "/hold"),
                        call("quick", ""),
                        echo_call("join", &format!("/{slug}/join"), &join),
                    ],
                    &["a", "b", "quick"].map(|id| [edge("start", id), edge(id, "join")]).concat(),
                )
            },
            &json!({}),
        )
        .await;
    run.wait_for_step("quick", "succeeded").await;
    let held = ["a", "b"].map(|node| format!("/hold/{}/{node}", flow.slug));
    for path in &held {
        stack.echo.wait_for(path).await;
    }

    assert!(stack.kill_functions(Some("advance-run")) > 0);
    for path in &held {
        stack.echo.release(path).await;
    }

    let view = run.wait("succeeded").await;
    for (node, prefix, times) in [("a", "/hold", 2), ("b", "/hold", 2), ("quick", "", 1)] {
        let requests = sent(&stack, &view, node, &format!("{prefix}/{}/{node}", flow.slug)).await;
        assert_eq!(requests.len(), times, "{node}");
    }
    assert_eq!(*stack.echo.only(&format!("/{}/join", flow.slug)).await.body(), json!(["a", "b", "quick"]));
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "finds processes through /proc, which only Linux has")]
async fn a_run_survives_a_crash_at_several_nodes() {
    let stack = Stack::alone();
    // Four attempts of the state follow the first: more crashes than that in one segment would end the run.
    let held = [1, 4, 10];
    let (flow, run) = stack.run(|slug| ten(slug, &held), &json!({})).await;
    let path = |at| path(&flow.slug, at, &held);
    for at in held {
        stack.echo.wait_for(&path(at)).await;
        assert!(stack.kill_functions(Some("advance-run")) > 0, "n{at}");
        stack.echo.release(&path(at)).await;
    }
    let view = run.wait("succeeded").await;
    for at in 1..=10 {
        let requests = sent(&stack, &view, &format!("n{at}"), &path(at)).await;
        assert_eq!(requests.len(), if held.contains(&at) { 2 } else { 1 }, "n{at}");
    }
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "finds processes through /proc, which only Linux has")]
async fn a_run_whose_worker_is_killed_at_every_attempt_is_settled_as_failed() {
    let stack = Stack::alone();
    let (flow, run) = stack
        .run(
            |slug| {
                let mut call = echo_call("deadly", &format!("/hold/{slug}"), &json!({}));
                call["timeoutSeconds"] = json!(90);
                spec(&[call, transform("after", &json!(1))], &[edge("deadly", "after")])
            },
            &json!({}),
        )
        .await;
    let path = format!("/hold/{}", flow.slug);
    let mut killed = 0;
    let view = eventually("the run to be settled", async || {
        // Each attempt is killed once it has sent its request.
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
async fn a_parked_run_survives_the_death_of_every_process() {
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
async fn a_run_whose_worker_is_killed_after_the_approval_executes_what_was_decided() {
    let stack = Stack::alone();
    let slow = |slug: &str| {
        let mut spec = one_gate(slug, &json!({}));
        spec["nodes"][1]["path"] = json!(format!("/hold/{slug}/execute"));
        spec
    };
    let (flow, run) = stack.run(slow, &json!({"action": {"amount": 1}})).await;
    run.parked().await;
    run.approve(&json!({"proposedActionOverride": {"amount": 2}})).await.data(200);
    let path = format!("/hold/{}/execute", flow.slug);
    stack.echo.wait_for(&path).await;

    assert!(stack.kill_functions(Some("advance-run")) > 0);
    stack.echo.release(&path).await;

    let view = run.wait("succeeded").await;
    let requests = sent(&stack, &view, "execute", &path).await;
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].sha256(), view.step("review")["decision"]["decidedSha256"]);
}

#[tokio::test]
async fn a_run_at_work_whose_execution_is_stopped_from_outside_is_settled_as_failed() {
    let stack = Stack::alone();
    let held = |slug: &str| {
        let mut spec = one_gate(slug, &json!({}));
        spec["nodes"][1]["path"] = json!(format!("/hold/{slug}/execute"));
        spec
    };
    let (flow, run) = stack.run(held, &json!({"action": 1})).await;
    run.parked().await;
    run.approve(&json!({})).await.data(200);
    let path = format!("/hold/{}/execute", flow.slug);
    stack.echo.wait_for(&path).await;

    stack.aws.stop_segment(&run.id, 2).await;

    let view = run.wait("failed").await;
    assert!(view.error().starts_with("the execution that drove the run ended as ABORTED"), "{}", view.error());
    stack.echo.release(&path).await;
    assert_eq!(run.approve(&json!({})).await.status, 200, "the decision that was made stays");
    assert!(stack.ada.get(&format!("/api/approvals?flow={}", flow.id)).await.rows().is_empty());
}

#[tokio::test]
async fn a_run_that_waits_in_an_execution_that_is_stopped_goes_on_waiting_and_its_approval_counts() {
    let stack = Stack::alone();
    let (flow, run) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": 1})).await;
    run.parked().await;
    let token = async || stack.aws.run_item(&run.id).await.get("token").cloned();
    let first = eventually("the run to hold its task token", token).await;

    stack.aws.stop_segment(&run.id, 2).await;

    eventually("another task token", async || token().await.filter(|token| *token != first)).await;
    assert_eq!(stack.ada.get(&format!("/api/approvals?flow={}", flow.id)).await.rows().len(), 1);
    run.approve(&json!({})).await.data(200);
    run.wait("succeeded").await;
    assert_eq!(stack.echo.sent_to(&format!("/{}/execute", flow.slug)).await.len(), 1);
}

/// The approval comes at once: nothing has noticed yet that the execution is gone.
#[tokio::test]
async fn a_run_whose_parked_execution_is_stopped_and_that_is_approved_at_once_goes_on() {
    let stack = Stack::alone();
    let (flow, run) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": 1})).await;
    run.parked().await;
    eventually("the run to hold its task token", async || stack.aws.run_item(&run.id).await.get("token").map(drop)).await;
    stack.aws.stop_segment(&run.id, 2).await;
    run.approve(&json!({})).await.data(200);
    run.wait("succeeded").await;
    assert_eq!(stack.echo.sent_to(&format!("/{}/execute", flow.slug)).await.len(), 1);
}

/// The items of the run are put back as they were while it was parked, which is what a restored table has. Its execution has ended since
/// then, and the names of the later ones are used up.
#[tokio::test]
async fn a_run_that_is_restored_to_a_time_before_its_decision_is_decided_again_and_goes_on() {
    let stack = Stack::alone();
    let (flow, run) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": 1})).await;
    run.parked().await;
    eventually("the run to hold its task token", async || stack.aws.run_item(&run.id).await.get("token").map(drop)).await;
    let copy = stack.aws.items_of_run(&run.id).await;
    run.approve(&json!({})).await.data(200);
    run.wait("succeeded").await;

    stack.aws.restore_run(&run.id, &copy).await;
    run.parked().await;
    run.approve(&json!({})).await.data(200);
    let sweep = async || {
        stack.aws.reconcile().await;
        (run.view().await.status() == "succeeded").then_some(())
    };
    eventually("the restored run to go on", sweep).await;
    let path = format!("/{}/execute", flow.slug);
    let keys: Vec<String> = stack.echo.sent_to(&path).await.iter().map(|request| request.header("idempotency-key").to_owned()).collect();
    assert!(keys.len() == 2 && keys[0] == keys[1], "what is sent again has its key: {keys:?}");
}
