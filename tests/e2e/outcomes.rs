//! What follows a rejection, and a gate that is not decided in time.

use serde_json::json;

use crate::support::{Stack, echo_call, edge, gate, one_gate, spec, transform};

#[tokio::test]
async fn a_rejection_fails_the_run_if_that_is_the_policy() {
    let stack = Stack::shared();
    for (note, message) in [(json!("too much"), "rejected by usr_grace: too much"), (json!(null), "rejected by usr_grace")] {
        let (flow, run) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": {"amount": 1}})).await;
        run.parked().await;

        let answer = run.by(&stack.grace).reject(&json!({"note": note})).await;

        assert_eq!(answer.data(200)["decision"]["decision"], "rejected");
        assert_eq!(answer.data(200)["decision"]["actor"], "usr_grace");
        assert_eq!(answer.data(200)["run"]["status"], "failed");
        let view = run.wait("failed").await;
        assert_eq!(view.error(), message);
        assert_eq!(view.run["error"]["nodeId"], "review");
        assert_eq!(view.statuses(), [("execute", "cancelled"), ("review", "failed")]);
        assert_eq!(view.step("review")["error"], message);
        assert_eq!(view.step("review")["decision"]["note"], note);
        assert!(stack.echo.sent_to(&format!("/{}/execute", flow.slug)).await.is_empty());
    }
}

/// `review`, and the nodes that follow each of its outcomes.
fn routed(slug: &str, more: &serde_json::Value) -> serde_json::Value {
    let report = |id: &str| echo_call(id, &format!("/{slug}/{id}"), &json!({"review": "${step.review.output}"}));
    spec(
        &[gate("review", &json!({"amount": 1}), more), report("execute"), report("escalate"), transform("end", &json!("done"))],
        &[edge("review", "execute"), edge("execute", "end"), edge("escalate", "end")],
    )
}

#[tokio::test]
async fn a_rejection_takes_its_route_and_skips_the_nodes_after_an_approval() {
    let stack = Stack::shared();
    let (flow, run) = stack.run(|slug| routed(slug, &json!({"onReject": "route_to:escalate"})), &json!({})).await;
    run.parked().await;

    run.reject(&json!({"note": "no"})).await.data(200);

    let view = run.wait("succeeded").await;
    assert_eq!(view.statuses(), [("end", "succeeded"), ("escalate", "succeeded"), ("execute", "skipped"), ("review", "succeeded")]);
    let reported = stack.echo.only(&format!("/{}/escalate", flow.slug)).await;
    let reported = &reported.body()["review"];
    assert_eq!((&reported["decision"], &reported["note"], &reported["actor"]), (&json!("rejected"), &json!("no"), &json!("usr_ada")));
    assert!(stack.echo.sent_to(&format!("/{}/execute", flow.slug)).await.is_empty());
}

#[tokio::test]
async fn an_approval_skips_the_route_of_a_rejection() {
    let stack = Stack::shared();
    let (_, run) = stack.run(|slug| routed(slug, &json!({"onReject": "route_to:escalate"})), &json!({})).await;
    run.parked().await;
    run.approve(&json!({})).await.data(200);
    let view = run.wait("succeeded").await;
    assert_eq!(view.statuses(), [("end", "succeeded"), ("escalate", "skipped"), ("execute", "succeeded"), ("review", "succeeded")]);
}

#[tokio::test]
async fn the_policy_of_the_flow_counts_where_a_gate_has_none_of_its_own() {
    let stack = Stack::shared();
    for (own, expected) in [(json!({}), "succeeded"), (json!({"onReject": "fail"}), "failed")] {
        let with_default = |slug: &str| {
            let mut spec = routed(slug, &own);
            spec["onReject"] = json!("route_to:escalate");
            // Otherwise no edge would lead to it if the gate's own policy is to fail.
            spec["onTimeout"] = json!("route_to:escalate");
            spec
        };
        let (_, run) = stack.run(with_default, &json!({})).await;
        run.parked().await;
        run.reject(&json!({})).await.data(200);
        run.wait(expected).await;
    }
}

/// About four seconds, in hours; deadlines are exact to a second.
const SOON: f64 = 0.001;
/// Long enough for a reviewer on a busy machine to be in time.
const IN_A_WHILE: f64 = 0.005;

#[tokio::test]
async fn a_gate_that_expires_takes_its_timeout_route() {
    let stack = Stack::shared();
    let more = json!({"timeoutHours": SOON, "onTimeout": "route_to:escalate"});
    let (flow, run) = stack.run(|slug| routed(slug, &more), &json!({})).await;

    let view = run.wait("succeeded").await;

    assert!(view.step("review")["expiresAt"].is_string());

    assert_eq!(view.statuses(), [("end", "succeeded"), ("escalate", "succeeded"), ("execute", "skipped"), ("review", "succeeded")]);
    let record = &view.step("review")["decision"];
    assert_eq!((&record["decision"], &record["actor"]), (&json!("expired"), &json!(null)));
    assert_eq!(stack.echo.only(&format!("/{}/escalate", flow.slug)).await.body()["review"]["decision"], "expired");
    assert_eq!(run.approve(&json!({})).await.error(409), "this approval was expired already");
    assert_eq!(run.reject(&json!({})).await.error(409), "this approval was expired already");
}

#[tokio::test]
async fn a_gate_that_expires_fails_the_run_if_that_is_the_policy() {
    let stack = Stack::shared();
    let (flow, run) = stack.run(|slug| one_gate(slug, &json!({"timeoutHours": SOON})), &json!({"action": 1})).await;
    let view = run.wait("failed").await;
    assert!(view.error().starts_with("no decision was made before "), "{}", view.error());
    assert_eq!(view.step("review")["decision"]["decision"], "expired");
    assert!(stack.echo.sent_to(&format!("/{}/execute", flow.slug)).await.is_empty());
}

#[tokio::test]
async fn a_stale_timer_does_not_change_a_decided_gate() {
    let stack = Stack::shared();
    // The first gate's timer expires while the run waits at the second one, whose own deadline is much later.
    let two = |_: &str| {
        let short = gate("first", &json!({"n": 1}), &json!({"timeoutHours": IN_A_WHILE}));
        spec(&[short, gate("second", &json!({"n": 2}), &json!({}))], &[edge("first", "second")])
    };
    let (_, run) = stack.run(two, &json!({})).await;
    let waiting = run.parked().await;
    let deadline: jiff::Timestamp = waiting.step("first")["expiresAt"].as_str().unwrap().parse().unwrap();
    run.approve(&json!({"nodeId": "first", "proposedActionOverride": {"n": 7}})).await.data(200);
    run.wait_for_step("second", "awaiting_approval").await;

    crate::support::eventually("the first deadline to pass", async || (jiff::Timestamp::now() > deadline).then_some(())).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;

    let view = run.view().await;
    assert_eq!(view.statuses(), [("first", "succeeded"), ("second", "awaiting_approval")]);
    assert_eq!(view.output("first")["proposedAction"], json!({"n": 7}), "the override is still there");
    run.approve(&json!({"nodeId": "second"})).await.data(200);
    run.wait("succeeded").await;
}
