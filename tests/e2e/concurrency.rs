//! Many callers at once: exactly one decision wins, and its action is executed.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{ApiResponse, Stack, one_gate, sha256};

const CALLERS: usize = 20;

#[tokio::test]
async fn of_twenty_approvals_with_different_payloads_one_wins_and_its_bytes_are_executed() {
    let stack = Stack::shared();
    let (flow, run) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": {"amount": 0}})).await;
    run.parked().await;

    let bodies: Vec<_> =
        (1..=CALLERS).map(|amount| json!({"proposedActionOverride": {"amount": amount}, "note": format!("caller {amount}")})).collect();
    let answers = join_all(bodies.iter().map(|body| run.approve(body))).await;

    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().zip(&bodies).partition(|(answer, _)| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, CALLERS - 1), "{:?}", statuses(&answers));
    for (answer, _) in lost {
        assert_eq!(answer.error(409), "this approval was approved already");
    }
    let (answer, body) = won[0];
    let record = &answer.data(200)["decision"];
    assert_eq!(record["decidedAction"], body["proposedActionOverride"]);
    let view = run.wait("succeeded").await;
    assert_eq!(view.step("review")["decision"], *record);
    let executed = stack.echo.only(&format!("/{}/execute", flow.slug)).await;
    assert_eq!(executed.raw(), body["proposedActionOverride"].to_string());
    assert_eq!(record["decidedSha256"], sha256(executed.raw().as_bytes()));
}

#[tokio::test]
async fn approvals_rejections_and_cancellations_at_once_leave_one_outcome() {
    let stack = Stack::shared();
    for _ in 0..3 {
        let (flow, run) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": {"amount": 0}})).await;
        run.parked().await;

        let (approve, reject) = (json!({"proposedActionOverride": {"amount": 1}}), json!({}));
        let (approvals, rejections, cancellations) = futures_util::join!(
            join_all((0..4).map(|_| run.approve(&approve))),
            join_all((0..4).map(|_| run.reject(&reject))),
            join_all((0..2).map(|_| run.cancel("enough"))),
        );

        let wins = [&approvals, &rejections, &cancellations].map(|answers| answers.iter().filter(|answer| answer.status == 200).count());
        let view = crate::support::eventually("the run to end", async || {
            let view = run.view().await;
            (view.run["finishedAt"].is_string()).then_some(view)
        })
        .await;
        let executed = stack.echo.sent_to(&format!("/{}/execute", flow.slug)).await.len();
        let decision = view.step("review")["decision"]["decision"].as_str();
        // Every repetition of the winning call is answered 200, every other call 409. A run that was approved may still have
        // been cancelled before it ended.
        match (decision, view.status()) {
            (Some("approved"), "succeeded") => assert_eq!((wins, executed), ([4, 0, 0], 1)),
            (Some("approved"), "cancelled") => assert!(wins[0] > 0 && wins[1] == 0 && wins[2] == 2 && executed <= 1, "{wins:?} {executed}"),
            (Some("rejected"), "failed") => assert_eq!((wins, executed), ([0, 4, 0], 0)),
            (None, "cancelled") => assert_eq!((wins, executed), ([0, 0, 2], 0)),
            other => panic!("{other:?}, {wins:?}: {:#}", view.run),
        }
    }
}

#[tokio::test]
async fn ten_equal_approvals_at_once_are_one_decision() {
    let stack = Stack::shared();
    let (flow, run) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": {"amount": 5}})).await;
    run.parked().await;
    let same = json!({"proposedActionOverride": {"amount": 6}});
    let answers = join_all((0..10).map(|_| run.approve(&same))).await;
    let records: Vec<_> = answers.iter().map(|answer| answer.data(200)["decision"].clone()).collect();
    assert!(records.iter().all(|record| *record == records[0]), "{records:?}");
    run.wait("succeeded").await;
    stack.echo.only(&format!("/{}/execute", flow.slug)).await;
}

fn statuses(answers: &[ApiResponse]) -> BTreeMap<u16, usize> {
    let mut counted = BTreeMap::new();
    for answer in answers {
        *counted.entry(answer.status).or_insert(0) += 1;
    }
    counted
}
