//! What may be said of a flow's trigger, and what a change of it changes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up should stop at once")]

use domain::flow::{CronTrigger, Draft, Flow, FlowStatus, FlowTrigger, KnownModels, Version};
use domain::id::{FlowId, OrgId};
use domain::problem::FieldErrors;
use domain::time::Time;
use domain::trigger::WebhookToken;
use serde_json::{Map, Value, json};

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

fn now() -> Time {
    at("2026-01-01T10:07:30Z")
}

fn token(number: u128) -> WebhookToken {
    WebhookToken::new([number, number])
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn new(extra: &Value) -> Result<(Flow, Version), FieldErrors> {
    let spec = json!({"startNodeId": "a", "nodes": [{"id": "a", "type": "transform", "output": 1}], "edges": []});
    let mut body = object(&json!({"slug": "flow", "name": "Flow", "spec": spec}));
    body.extend(object(extra));
    Draft::parse_new(&body, &KnownModels::default())?.into_flow(FlowId::new(now(), 1), OrgId::new(now(), 1), token(1), now())
}

fn made(extra: &Value) -> (Flow, Version) {
    new(extra).unwrap_or_else(|errors| panic!("{extra}: {errors:?}"))
}

fn changed(before: &(Flow, Version), changes: &Value, now: Time) -> Result<Flow, FieldErrors> {
    Draft::parse_changes(&object(changes), &KnownModels::default())?.applied_to(&before.0, &before.1, token(2), now).map(|(flow, _)| flow)
}

fn faulty(errors: &FieldErrors) -> Vec<&str> {
    errors.by_path().keys().map(String::as_str).collect()
}

fn cron(flow: &Flow) -> &CronTrigger {
    flow.trigger.cron().unwrap()
}

#[test]
fn a_flow_is_started_by_calls_unless_it_says_otherwise() {
    for extra in [json!({}), json!({"triggerType": "api"}), json!({"triggerType": null, "cronExpression": null})] {
        assert_eq!(made(&extra).0.trigger, FlowTrigger::Api);
    }
    assert_eq!(made(&json!({"triggerType": "webhook"})).0.trigger, FlowTrigger::Webhook(token(1)));
    let (flow, _) = made(&json!({"triggerType": "cron", "cronExpression": "*/15 * * * *"}));
    let expected = CronTrigger {
        expression: "*/15 * * * *".to_owned(),
        timezone: "UTC".to_owned(),
        enabled: true,
        next_run_at: Some(at("2026-01-01T10:15:00Z")),
        last_run_at: None,
    };
    assert_eq!(*cron(&flow), expected);
    let (flow, _) = made(&json!({"triggerType": "cron", "cronExpression": "0 3 * * *", "cronTimezone": "america/new_york"}));
    assert_eq!((cron(&flow).timezone.as_str(), cron(&flow).next_run_at), ("America/New_York", Some(at("2026-01-02T08:00:00Z"))));
}

#[test]
fn only_an_active_flow_whose_schedule_is_on_is_scheduled() {
    let body = |extra: &Value| {
        let mut body = object(&json!({"triggerType": "cron", "cronExpression": "*/15 * * * *"}));
        body.extend(object(extra));
        Value::Object(body)
    };
    for off in [json!({"cronEnabled": false}), json!({"status": "paused"}), json!({"status": "draft"})] {
        let flow = made(&body(&off));
        assert_eq!(cron(&flow.0).next_run_at, None, "{off}");
        assert_eq!(flow.0.due_run(at("2030-01-01T00:00:00Z")).unwrap(), None);
        let on = changed(&flow, &json!({"status": "active", "cronEnabled": true}), at("2026-01-01T11:01:00Z")).unwrap();
        assert_eq!(cron(&on).next_run_at, Some(at("2026-01-01T11:15:00Z")), "what was missed while it was off is not made up for");
    }
}

#[test]
fn what_does_not_belong_together_is_said_at_its_field() {
    let cases = [
        (json!({"triggerType": "timer"}), vec!["triggerType"]),
        (json!({"triggerType": 7}), vec!["triggerType"]),
        (json!({"triggerType": "cron"}), vec!["cronExpression"]),
        (json!({"triggerType": "cron", "cronExpression": ""}), vec!["cronExpression"]),
        (json!({"triggerType": "cron", "cronExpression": ["* * * * *"]}), vec!["cronExpression"]),
        (json!({"triggerType": "cron", "cronExpression": "* * * * * *"}), vec!["cronExpression"]),
        (json!({"triggerType": "cron", "cronExpression": "0 0 30 2 *"}), vec!["cronExpression"]),
        (
            json!({"triggerType": "cron", "cronExpression": "@daily", "cronTimezone": "Mars", "cronEnabled": "yes"}),
            vec!["cronEnabled", "cronExpression", "cronTimezone"],
        ),
        (
            json!({"cronExpression": "* * * * *", "cronTimezone": "UTC", "cronEnabled": true}),
            vec!["cronEnabled", "cronExpression", "cronTimezone"],
        ),
        (json!({"triggerType": "webhook", "cronEnabled": false}), vec!["cronEnabled"]),
        (
            json!({"triggerType": "webhook", "webhookSecret": "mine", "webhookToken": "wht_x", "nextCronRunAt": "2026-01-01T00:00:00Z"}),
            vec!["nextCronRunAt", "webhookSecret", "webhookToken"],
        ),
        // All at once, those of other fields among them.
        (json!({"triggerType": "cron", "name": ""}), vec!["cronExpression", "name"]),
    ];
    for (body, paths) in cases {
        let errors = new(&body).unwrap_err();
        assert_eq!(faulty(&errors), paths, "{body}");
    }
    let errors = new(&json!({"triggerType": "webhook", "cronEnabled": false})).unwrap_err();
    assert_eq!(errors.by_path()["cronEnabled"], ["belongs to a flow whose triggerType is cron; this one's is webhook"]);
    // The same of changes, which are seen together with what is there.
    let api = made(&json!({}));
    assert_eq!(faulty(&changed(&api, &json!({"cronEnabled": true}), now()).unwrap_err()), ["cronEnabled"]);
    assert_eq!(faulty(&changed(&api, &json!({"triggerType": "cron"}), now()).unwrap_err()), ["cronExpression"]);
    let clock = made(&json!({"triggerType": "cron", "cronExpression": "* * * * *"}));
    let errors = changed(&clock, &json!({"triggerType": "api", "cronExpression": "0 * * * *"}), now()).unwrap_err();
    assert_eq!(faulty(&errors), ["cronExpression"]);
}

#[test]
fn a_trigger_can_be_changed_and_what_stays_stays() {
    let hooked = made(&json!({"triggerType": "webhook"}));
    let renamed = changed(&hooked, &json!({"name": "New", "triggerType": "webhook"}), now()).unwrap();
    assert_eq!(renamed.trigger, FlowTrigger::Webhook(token(1)), "the token that senders know");
    let api = changed(&hooked, &json!({"triggerType": "api"}), now()).unwrap();
    assert_eq!(api.trigger, FlowTrigger::Api);
    let again = changed(&(api, hooked.1.clone()), &json!({"triggerType": "webhook"}), now()).unwrap();
    assert_eq!(again.trigger, FlowTrigger::Webhook(token(2)), "one that it has left does not come back");
    let clock = changed(&hooked, &json!({"triggerType": "cron", "cronExpression": "30 2 * * *", "cronTimezone": "Europe/Berlin"}), now());
    let clock = clock.unwrap();
    assert_eq!(cron(&clock).next_run_at, Some(at("2026-01-02T01:30:00Z")));
    let unscheduled = changed(&(clock.clone(), hooked.1.clone()), &json!({"triggerType": "webhook"}), now()).unwrap();
    assert_eq!(unscheduled.trigger, FlowTrigger::Webhook(token(2)));
    // One field of the schedule at a time.
    let clock = (clock, hooked.1);
    let moved = changed(&clock, &json!({"cronTimezone": "UTC"}), now()).unwrap();
    assert_eq!((cron(&moved).expression.as_str(), cron(&moved).next_run_at), ("30 2 * * *", Some(at("2026-01-02T02:30:00Z"))));
    let denser = changed(&clock, &json!({"cronExpression": "*/5 * * * *"}), now()).unwrap();
    assert_eq!((cron(&denser).timezone.as_str(), cron(&denser).next_run_at), ("Europe/Berlin", Some(at("2026-01-01T10:10:00Z"))));
    let off = changed(&clock, &json!({"cronEnabled": false}), now()).unwrap();
    assert_eq!((cron(&off).expression.as_str(), cron(&off).next_run_at), ("30 2 * * *", None));
}

#[test]
fn a_change_of_something_else_does_not_swallow_a_run_that_is_overdue() {
    let clock = made(&json!({"triggerType": "cron", "cronExpression": "*/15 * * * *"}));
    let later = at("2026-01-01T10:15:03Z");
    for changes in [json!({"name": "New"}), json!({"cronExpression": "*/15 * * * *", "cronEnabled": true, "status": "active"})] {
        let flow = changed(&clock, &changes, later).unwrap();
        assert_eq!(cron(&flow).next_run_at, Some(at("2026-01-01T10:15:00Z")), "{changes}");
    }
    let due = clock.0.due_run(at("2026-01-01T11:20:00Z")).unwrap().unwrap();
    assert_eq!(due.scheduled_at, at("2026-01-01T11:15:00Z"));
    assert_eq!((cron(&due.flow).last_run_at, cron(&due.flow).next_run_at), (Some(due.scheduled_at), Some(at("2026-01-01T11:30:00Z"))));
    // The last due time is remembered over changes.
    let paused = changed(&(due.flow, clock.1), &json!({"status": "paused"}), later).unwrap();
    assert_eq!((cron(&paused).last_run_at, paused.status), (Some(due.scheduled_at), FlowStatus::Paused));
}
