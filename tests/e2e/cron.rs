//! Schedules: the clock starts a flow when it is due, once, and never earlier.

use futures_util::future::join;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{Method, Run, Stack, eventually, spec, transform, unique};

/// A time far from now, so that only flows that a test makes due are due.
const YEARLY: &str = "0 0 1 1 *";

async fn scheduled(stack: &Stack, expression: &str, extra: &Value) -> Value {
    let nodes = [transform("when", &json!("${trigger.scheduledAt}"))];
    let mut body = json!({
        "slug": unique("clock"), "name": "A test", "triggerType": "cron", "cronExpression": expression, "spec": spec(&nodes, &[]),
    });
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    stack.ada.post("/api/flows", &body).await.data(201)["flow"].clone()
}

fn id(flow: &Value) -> &str {
    flow["id"].as_str().unwrap()
}

async fn read(stack: &Stack, flow: &Value) -> Value {
    stack.ada.get(&format!("/api/flows/{}", id(flow))).await.data(200)["flow"].clone()
}

async fn runs(stack: &Stack, flow: &Value) -> Vec<Value> {
    stack.ada.get(&format!("/api/flows/{}/runs?trigger=cron", id(flow))).await.rows().to_vec()
}

/// The time that many minutes ago, to the minute.
fn ago(minutes: i64) -> String {
    let then = Timestamp::now() - SignedDuration::from_mins(minutes);
    format!("{}:00.000Z", &then.to_string()[..16])
}

#[tokio::test]
async fn a_due_time_starts_one_run_over_any_number_of_ticks() {
    let stack = Stack::shared();
    let flow = scheduled(&stack, YEARLY, &json!({})).await;
    let next = flow["nextCronRunAt"].as_str().unwrap().to_owned();
    assert!(next.ends_with("-01-01T00:00:00.000Z") && flow["cronTimezone"] == "UTC" && flow["cronEnabled"] == true, "{flow}");
    assert!(flow.get("lastCronRunAt").is_none());
    let due = ago(90);
    stack.aws.make_due(id(&flow), &due).await;
    // The schedule of the stack may add a third tick.
    join(stack.aws.tick("tick-cron"), stack.aws.tick("tick-cron")).await;
    stack.aws.tick("tick-cron").await;
    let runs = runs(&stack, &flow).await;
    assert_eq!(runs.len(), 1, "{runs:?}");
    let view = Run::of(&stack.ada, &runs[0]).wait("succeeded").await;
    assert_eq!((&view.run["trigger"], &view.run["startedBy"]), (&json!("cron"), &json!("trigger:cron")));
    assert_eq!((&view.run["input"], view.output("when")), (&json!({"scheduledAt": due}), &json!(due)));
    let after = read(&stack, &flow).await;
    assert_eq!((&after["lastCronRunAt"], &after["nextCronRunAt"]), (&json!(due), &json!(next)));
    assert_eq!(after["updatedAt"], flow["updatedAt"], "a tick is not an edit");
}

#[tokio::test]
async fn after_an_outage_only_the_latest_missed_time_starts_a_run() {
    let stack = Stack::shared();
    let flow = scheduled(&stack, "*/30 * * * *", &json!({"cronTimezone": "europe/berlin"})).await;
    assert_eq!(flow["cronTimezone"], "Europe/Berlin");
    stack.aws.make_due(id(&flow), &ago(60 * 24 * 3)).await;
    stack.aws.tick("tick-cron").await;
    let after = read(&stack, &flow).await;
    let last: Timestamp = after["lastCronRunAt"].as_str().unwrap().parse().unwrap();
    let next: Timestamp = after["nextCronRunAt"].as_str().unwrap().parse().unwrap();
    assert_eq!(next.duration_since(last), SignedDuration::from_mins(30), "{after}");
    assert_eq!(runs(&stack, &flow).await.len(), 1);
}

#[tokio::test]
async fn the_schedule_of_the_stack_ticks_by_itself() {
    let stack = Stack::shared();
    let flow = scheduled(&stack, YEARLY, &json!({})).await;
    stack.aws.make_due(id(&flow), &ago(5)).await;
    eventually("the schedule to start a flow", async || runs(&stack, &flow).await.pop().map(drop)).await;
}

#[tokio::test]
async fn a_flow_that_is_paused_switched_off_or_has_another_trigger_is_not_scheduled() {
    let stack = Stack::shared();
    let flow = scheduled(&stack, "* * * * *", &json!({"cronEnabled": false})).await;
    assert!(flow.get("nextCronRunAt").is_none() && flow["cronEnabled"] == false, "{flow}");
    let path = format!("/api/flows/{}", id(&flow));
    let change = async |changes: Value| stack.ada.send(Method::PATCH, &path, &changes).await.data(200)["flow"].clone();
    let on = change(json!({"cronEnabled": true, "cronExpression": YEARLY})).await;
    assert!(on["nextCronRunAt"].is_string(), "{on}");
    for off in [json!({"status": "paused"}), json!({"cronEnabled": false}), json!({"triggerType": "api"})] {
        change(json!({"status": "active", "triggerType": "cron", "cronExpression": YEARLY, "cronEnabled": true})).await;
        stack.aws.make_due(id(&flow), &ago(1)).await;
        // A tick may have started it just before the change, but not afterwards.
        let off = change(off).await;
        assert!(off.get("nextCronRunAt").is_none(), "{off}");
        let before = runs(&stack, &flow).await.len();
        stack.aws.tick("tick-cron").await;
        assert_eq!(runs(&stack, &flow).await.len(), before, "{off}");
        assert!(stack.aws.flow_item(id(&flow)).await.get("outboxPk").is_none());
    }
    // It can still be started by calls.
    stack.ada.post(&format!("{path}/execute"), &json!({"scheduledAt": "by hand"})).await.data(202);
}

#[tokio::test]
async fn a_wrong_schedule_is_refused_at_its_field() {
    let stack = Stack::shared();
    let flow = scheduled(&stack, YEARLY, &json!({})).await;
    let path = format!("/api/flows/{}", id(&flow));
    for (changes, field, problem) in [
        (json!({"cronExpression": "0 25 * * *"}), "cronExpression", "its hour, `25`, is not right"),
        (json!({"cronExpression": "0 0 30 2 *"}), "cronExpression", "is never due"),
        (json!({"cronExpression": "0 0 0 1 1 *"}), "cronExpression", "must have five fields"),
        (json!({"cronTimezone": "Mars/Olympus"}), "cronTimezone", "must be the name of a time zone"),
        (json!({"triggerType": "webhook", "cronEnabled": true}), "cronEnabled", "belongs to a flow whose triggerType is cron"),
    ] {
        let answer = stack.ada.send(Method::PATCH, &path, &changes).await;
        let found = answer.field_error(400, field);
        assert!(found.starts_with(problem), "{changes}: {found}");
    }
    assert_eq!(read(&stack, &flow).await, flow);
}
