//! `wait`: for a while or until a time, in process if it is short, parked if it is long.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{Stack, echo_call, edge, eventually, spec, transform};

fn waiting(slug: &str, wait: &Value) -> Value {
    let mut node = json!({"id": "pause", "type": "wait"});
    node.as_object_mut().unwrap().extend(wait.as_object().unwrap().clone());
    let after = echo_call("after", &format!("/{slug}/after"), &json!({"at": "${step.pause.output.resumedAt}"}));
    spec(&[transform("start", &json!(1)), node, after], &[edge("start", "pause"), edge("pause", "after")])
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap_or_else(|| panic!("no time: {value}")).parse().unwrap()
}

#[tokio::test]
async fn the_node_after_a_wait_starts_when_the_wait_ends() {
    let stack = Stack::shared();
    let soon = Timestamp::now() + jiff::SignedDuration::from_secs(3);
    for (wait, input) in [
        (json!({"seconds": 1}), json!({})),
        (json!({"until": "${trigger.at}"}), json!({"at": soon.to_string()})),
        (json!({"seconds": 0}), json!({})),
        (json!({"until": "2020-02-29T12:00:00+01:00"}), json!({})),
    ] {
        let (flow, run) = stack.run(|slug| waiting(slug, &wait), &input).await;
        let view = run.wait("succeeded").await;
        let resumed = time(&view.output("pause")["resumedAt"]);
        assert!(resumed >= time(&view.step("pause")["input"]["until"]), "{wait}: {}", view.step("pause"));
        assert!(time(&view.step("after")["startedAt"]) >= resumed, "{wait}");
        assert_eq!(stack.echo.only(&format!("/{}/after", flow.slug)).await.body()["at"], view.output("pause")["resumedAt"]);
        assert_eq!(stack.aws.segment(&run.id, 2).await, None, "{wait}: too short to park for");
    }
}

#[tokio::test]
async fn a_long_wait_is_parked_through() {
    let stack = Stack::shared();
    let (flow, run) = stack.run(|slug| waiting(slug, &json!({"seconds": 7})), &json!({})).await;
    let waiting = run.wait_for_step("pause", "running").await;
    assert_eq!(waiting.status(), "running", "a run that waits for a clock does not wait for a person");
    let due = time(&waiting.step("pause")["dueAt"]);
    assert!(stack.echo.sent_to(&format!("/{}/after", flow.slug)).await.is_empty());
    let view = run.wait("succeeded").await;
    assert!(time(&view.output("pause")["resumedAt"]) >= due, "{}", view.step("pause"));
    assert_eq!(view.step("pause")["attempts"], 1, "{}", view.step("pause"));
    // The run has ended once it is written; its execution ends a moment later.
    eventually("its execution to succeed", async || (stack.aws.segment(&run.id, 2).await.as_deref() == Some("SUCCEEDED")).then_some(()))
        .await;
}

#[tokio::test]
async fn a_run_that_waits_can_be_cancelled() {
    let stack = Stack::shared();
    let (flow, run) = stack.run(|slug| waiting(slug, &json!({"seconds": 86_400})), &json!({})).await;
    run.wait_for_step("pause", "running").await;
    assert_eq!(run.approve(&json!({})).await.error(409), "the run is running and no approval is open");
    run.cancel("never mind").await.data(200);
    let view = run.view().await;
    assert_eq!(view.statuses(), [("after", "cancelled"), ("pause", "cancelled"), ("start", "succeeded")]);
    eventually("its execution to end", async || {
        let last = [1, 2].map(|segment| stack.aws.segment(&run.id, segment));
        let ended = futures_util::future::join_all(last).await;
        ended.iter().flatten().all(|status| status != "RUNNING").then_some(())
    })
    .await;
    assert_eq!(run.view().await.run, view.run);
    assert!(stack.echo.sent_to(&format!("/{}/after", flow.slug)).await.is_empty());
}

#[tokio::test]
async fn an_invalid_time_fails_the_step() {
    let stack = Stack::shared();
    let (_, run) = stack.run(|slug| waiting(slug, &json!({"until": "${trigger.at}"})), &json!({"at": "noon"})).await;
    let view = run.wait("failed").await;
    assert_eq!(view.error(), "`until` must be an RFC 3339 time such as 2026-01-02T03:04:05Z, not `noon`");
}
