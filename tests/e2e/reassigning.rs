//! Approvals that are assigned to somebody else, by a person or by the clock.

use serde_json::{Value, json};

use crate::support::{Qe, Run, Stack, eventually, one_gate};

/// Returns the id of the only open approval of a run.
async fn approval(run: &Run) -> String {
    run.parked().await.step("review")["approvalId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_approval_is_reassigned_by_whoever_may_decide_it_and_by_those_who_may_change_flows() {
    let stack = Stack::shared();
    let (flow, run) = stack.run(|slug| one_gate(slug, &json!({"assignTo": "role:reviewer"})), &json!({"action": {"amount": 1}})).await;
    let id = approval(&run).await;
    let path = run.path("reassign");
    let body = json!({"approvalId": id, "to": "user:usr_grace", "note": "on leave"});
    assert_eq!(stack.reader.post(&path, &body).await.error(403), "missing scope: approvals:decide");
    let shown = stack.ada.post(&path, &body).await.data(200)["approval"].clone();
    assert_eq!((&shown["id"], &shown["assignTo"]), (&json!(id), &json!("user:usr_grace")));
    let moved = &shown["reassignments"][0];
    let moved = json!([moved["from"], moved["to"], moved["actor"], moved["note"]]);
    assert_eq!(moved, json!(["role:reviewer", "user:usr_grace", "usr_ada", "on leave"]));
    let again = stack.ada.post(&path, &body).await.data(200)["approval"].clone();
    assert_eq!(again["reassignments"], shown["reassignments"], "the same again changes nothing");

    let mine = stack.grace.get(&format!("/api/approvals?assignee=me&flow={}", flow.slug)).await;
    assert_eq!(mine.rows()[0]["id"], json!(id));
    assert_eq!(run.approve(&json!({})).await.error(403), "this approval is assigned to user:usr_grace");
    // Grace's key may change flows, so she may give it back, although she could as well decide it.
    let by_qe = Qe::with_key("QE_SECOND_API_KEY").run(&["reassign", &run.id, "--to", "user:usr_ada"]).await;
    assert!(by_qe.ok().ends_with("review is for user:usr_ada now"), "{by_qe:?}");
    run.approve(&json!({})).await.data(200);
    assert_eq!(run.wait("succeeded").await.step("review")["reassignments"].as_array().map(Vec::len), Some(2));
    assert_eq!(stack.ada.post(&path, &body).await.error(409), "this approval was approved already");
}

#[tokio::test]
async fn a_reassignment_that_means_nothing_is_refused() {
    let stack = Stack::shared();
    let (_, run) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": {"amount": 1}})).await;
    let id = approval(&run).await;
    let path = run.path("reassign");
    let refused = stack.ada.post(&path, &json!({"to": "everybody", "who": 1})).await;
    assert_eq!(refused.faulty_fields(400), ["approvalId", "to", "who"]);
    let other = "apr_01M85EXE14SECWM1TBH3987TR1";
    assert_eq!(stack.ada.post(&path, &json!({"approvalId": other, "to": "role:lead"})).await.status, 404);
    assert_eq!(stack.other.post(&path, &json!({"approvalId": id, "to": "role:lead"})).await.status, 404);
    run.cancel("enough").await.data(200);
    assert_eq!(stack.ada.post(&path, &json!({"approvalId": id, "to": "role:lead"})).await.status, 409);
}

#[tokio::test]
async fn an_approval_is_escalated_and_its_assignee_reminded_once_and_each_is_an_event() {
    let stack = Stack::shared();
    // Some seconds, as fractions of an hour.
    let rules = json!({
        "timeoutHours": 0.006, "assignTo": "user:usr_grace",
        "escalate": [{"afterHours": 0.0008, "to": "role:reviewer"}], "remind": [{"beforeHours": 0.004}],
    });
    let flow = stack.flow(|slug| one_gate(slug, &rules)).await;
    let url = format!("{}/hooks/{}", stack.echo.url, flow.slug);
    let hook = stack.ada.post("/api/webhooks", &json!({"url": url, "events": ["approval.*"]})).await.data(201)["webhook"].clone();
    let run = stack.start(&flow, &json!({"action": {"amount": 1}})).await;
    let id = approval(&run).await;
    assert_eq!(run.approve(&json!({})).await.error(403), "this approval is assigned to user:usr_grace");
    let step = eventually("the approval is escalated and its assignee reminded", async || {
        let step = run.view().await.step("review").clone();
        (step["reminders"].as_array().map(Vec::len) == Some(1)).then_some(step)
    })
    .await;
    let moved = &step["reassignments"];
    assert_eq!((moved.as_array().unwrap().len(), &moved[0]["to"], &moved[0]["actor"]), (1, &json!("role:reviewer"), &Value::Null));
    run.approve(&json!({})).await.data(200);
    run.wait("succeeded").await;
    let events = eventually("all events have arrived", async || {
        let sent = stack.echo.sent_to(&format!("/hooks/{}", flow.slug)).await;
        let ours = sent.iter().filter(|sent| sent.body()["data"]["approvalId"] == json!(id)).map(|sent| sent.body().clone());
        let mut events: Vec<Value> = ours.collect();
        events.sort_by_key(|event| event["event"].to_string());
        events.dedup_by_key(|event| event["id"].clone());
        (events.len() == 4).then_some(events)
    })
    .await;
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["approval.decided", "approval.opened", "approval.reassigned", "approval.reminded"]);
    for event in &events {
        assert!(event["data"]["link"].as_str().unwrap().ends_with(&format!("/console/approvals/{id}")), "{event}");
        assert_eq!(event["data"]["traceId"].as_str(), Some(run.view().await.trace_id()));
    }
    stack.ada.call(crate::support::Method::DELETE, &format!("/api/webhooks/{}", hook["id"].as_str().unwrap()), &[], None).await;
}
