//! The bodies of events, and references in place of what is too large.

use domain::step::{StepKey, step_id};
use domain::webhook::MAX_BODY_BYTES;
use serde_json::{Value, json};
use testkit::Reply;
use testkit::build::{actor, approve_as, canonical, gate, llm, reject, service, spec, task};

use crate::stack::{CONSOLE, Stack};

fn refs(value: &Value) -> Vec<(String, u64)> {
    let place = |place: &Value| (place["url"].as_str().unwrap().to_owned(), place["bytes"].as_u64().unwrap());
    value["steps"].as_array().unwrap().iter().filter_map(|step| step.get("outputRef")).map(place).collect()
}

/// Returns the name of a step in its first round.
fn first(node: &str) -> StepKey {
    StepKey::new(&node.parse().unwrap(), 1)
}

#[test]
fn every_event_of_a_run_has_the_fields_of_the_contract() {
    let stack = Stack::of(&canonical());
    stack.endpoint("https://a.test", &["*"]);
    let answer = json!({"text": "…", "parsed": {"amount": 7}, "model": "m-1", "inferenceMs": 12, "tokens": {"prompt": 3, "completion": 4, "total": 7}});
    stack.deployment.effects.answer("draft", Reply::output(answer.clone()));
    let run = stack.deployment.start(json!({"ticket": "T-1"}));
    stack.deployment.play();
    stack.deployment.decide(run, "", &actor("usr_ada"), approve_as(json!({"amount": 5}))).unwrap();
    let ended = stack.deployment.play_to_end(run);
    stack.publish_all();
    let step = |node: &str| json!(step_id(&run, &first(node)));
    let gate = stack.deployment.gate(run, "review").unwrap();
    assert_eq!(
        stack.data("flow.run.started"),
        json!({"runId": run, "flowId": ended.flow, "flowSlug": "flow", "trigger": "manual", "input": {"ticket": "T-1"}, "traceId": ended.trace_id})
    );
    assert_eq!(
        stack.data("flow.run.awaiting_approval"),
        json!({
            "runId": run, "flowId": ended.flow, "stepId": step("review"), "nodeId": "review", "approvalId": gate.id, "actionLabel": "Pay",
            "proposedAction": {"amount": 7}, "assignTo": null, "expiresAt": gate.deadline, "traceId": ended.trace_id,
        })
    );
    assert_eq!(
        stack.data("generation.started"),
        json!({"runId": run, "stepId": step("draft"), "nodeId": "draft", "model": "draft", "traceId": ended.trace_id})
    );
    assert_eq!(
        stack.data("generation.completed"),
        json!({
            "runId": run, "stepId": step("draft"), "nodeId": "draft", "model": "m-1", "inferenceMs": 12,
            "tokens": {"prompt": 3, "completion": 4, "total": 7}, "traceId": ended.trace_id,
        })
    );
    let mut succeeded = stack.data("flow.run.succeeded");
    let steps = succeeded["steps"].take();
    assert_eq!(
        succeeded,
        json!({
            "runId": run, "flowId": ended.flow, "flowSlug": "flow", "status": "succeeded", "finishedAt": ended.finished_at, "steps": null,
            "traceId": ended.trace_id,
        })
    );
    let fields = ["nodeId", "type", "status", "id", "output"];
    let shown: Vec<[&Value; 5]> = steps.as_array().unwrap().iter().map(|row| fields.map(|field| &row[field])).collect();
    let decided = json!({"decision": "approved", "proposedAction": {"amount": 5}, "note": null, "actor": "usr_ada"});
    assert_eq!(shown[0], [&json!("draft"), &json!("llm_step"), &json!("succeeded"), &step("draft"), &answer]);
    assert_eq!(shown[1], [&json!("review"), &json!("human_approval"), &json!("succeeded"), &step("review"), &decided]);
    assert_eq!(shown[2][..4], [&json!("pay"), &json!("service_call"), &json!("succeeded"), &step("pay")]);
    let (_, body) = stack.queued().into_values().find(|(name, _)| name == "flow.run.started").unwrap();
    assert_eq!(body["orgId"], json!(stack.deployment.org));
    assert_eq!(body["occurredAt"], json!(ended.started_at));
}

#[test]
fn a_failure_names_the_step_and_a_cancellation_the_actor() {
    let stack = Stack::of(&spec(&[llm("a", json!({}))], ""));
    stack.endpoint("https://a.test", &["*"]);
    stack.deployment.effects.answer("a", Reply::refused());
    let failed = stack.deployment.start(json!({}));
    stack.deployment.play_to_end(failed);
    stack.publish_all();
    let step = step_id(&failed, &first("a"));
    let data = stack.data("flow.run.failed");
    assert_eq!((&data["failedStepId"], &data["errorMessage"]), (&json!(step), &json!("the service answered 400")));
    let data = stack.data("generation.failed");
    assert_eq!((&data["stepId"], &data["errorMessage"]), (&json!(step), &json!("the service answered 400")));

    let stack = Stack::of(&spec(&[gate("g", json!({}))], ""));
    stack.endpoint("https://a.test", &["flow.run.cancelled"]);
    let run = stack.deployment.start(json!({}));
    stack.deployment.play();
    stack.deployment.cancel(run, "not needed").unwrap();
    stack.publish_all();
    let data = stack.data("flow.run.cancelled");
    assert_eq!((&data["reason"], &data["actor"], &data["runId"]), (&json!("not needed"), &json!("usr_canceller"), &json!(run)));
}

/// Returns the `data` of all events of that name, in the order of their times.
fn all_data(stack: &Stack, name: &str) -> Vec<Value> {
    stack.queued().into_values().filter(|(event, _)| event == name).map(|(_, body)| body["data"].clone()).collect()
}

#[test]
fn every_event_of_an_approval_has_its_ids_its_assignee_its_deadline_and_a_link() {
    let rules = json!({
        "assignTo": "user:usr_ada", "onTimeout": "route_to:pay",
        "escalate": [{"afterHours": 0.2, "to": "user:usr_bob"}, {"afterHours": 0.5, "to": "user:usr_eve"}],
        "remind": [{"beforeHours": 0.25}],
    });
    let stack = Stack::of(&spec(&[gate("review", rules), service("pay", json!({}))], "review>pay"));
    stack.endpoint("https://a.test", &["approval.*"]);
    let expired = stack.deployment.start(json!({}));
    let ended = stack.deployment.play_to_end(expired);
    let gate = stack.deployment.gate(expired, "review").unwrap();
    stack.publish_all();
    stack.publish_all();
    let common = json!({
        "approvalId": gate.id, "runId": expired, "stepId": step_id(&expired, &gate.key()), "nodeId": "review", "flowId": ended.flow,
        "flowSlug": "flow", "actionLabel": "Pay", "openedAt": gate.opened_at, "expiresAt": gate.deadline,
        "link": format!("{CONSOLE}/approvals/{}", gate.id), "traceId": ended.trace_id,
    });
    let with = |more: Value| testkit::build::with(common.clone(), more);
    assert_eq!(stack.data("approval.opened"), with(json!({"assignTo": "user:usr_ada"})));
    let moved = |from: &str, to: &str| with(json!({"from": from, "to": to, "assignTo": to, "actor": null, "identity": null, "note": null}));
    let escalations = [moved("user:usr_ada", "user:usr_bob"), moved("user:usr_bob", "user:usr_eve")];
    assert_eq!(all_data(&stack, "approval.reassigned"), escalations);
    assert_eq!(stack.data("approval.reminded"), with(json!({"assignTo": "user:usr_eve"})));
    let outcome = gate.outcome.unwrap();
    let data = stack.data("approval.expired");
    assert_eq!((&data["decision"], &data["actor"], &data["decidedAt"]), (&json!("expired"), &json!(null), &json!(outcome.decided_at)));
    assert!(all_data(&stack, "approval.decided").is_empty());
}

#[test]
fn the_event_of_a_decision_says_who_decided_what() {
    let stack = Stack::of(&spec(&[gate("g", json!({}))], ""));
    stack.endpoint("https://a.test", &["approval.decided"]);
    let run = stack.deployment.start(json!({}));
    stack.deployment.play();
    stack.deployment.decide(run, "", &actor("usr_ada"), approve_as(json!({"amount": 5}))).unwrap();
    stack.deployment.play_to_end(run);
    stack.publish_all();
    let data = stack.data("approval.decided");
    let shown = [&data["decision"], &data["actor"], &data["edited"], &data["identity"]["method"]];
    assert_eq!(shown, [&json!("approved"), &json!("usr_ada"), &json!(true), &json!("apiKey")]);
    assert_ne!(data["proposedSha256"], data["decidedSha256"]);
}

#[test]
fn a_rejection_that_fails_the_run_names_the_approval() {
    let stack = Stack::of(&spec(&[gate("g", json!({}))], ""));
    stack.endpoint("https://a.test", &["flow.run.failed"]);
    let run = stack.deployment.start(json!({}));
    stack.deployment.play();
    stack.deployment.decide(run, "", &actor("usr_ada"), reject("too much")).unwrap();
    stack.deployment.play_to_end(run);
    stack.publish_all();
    let data = stack.data("flow.run.failed");
    assert_eq!(data["failedStepId"], json!(step_id(&run, &first("g"))));
    assert_eq!(data["errorMessage"], "rejected by usr_ada: too much");
}

#[test]
fn a_large_payload_is_a_reference_to_where_it_can_be_fetched() {
    // Five outputs are in the table, and one is in object storage.
    let nodes: Vec<Value> = ["a", "b", "c", "d", "e", "large"].map(|name| task(name, json!({}))).into();
    let stack = Stack::of(&spec(&nodes, "a>b b>c c>d d>e e>large"));
    stack.endpoint("https://a.test", &["*"]);
    for (name, bytes) in [("a", 60_000), ("b", 50_000), ("c", 70_000), ("d", 10), ("e", 80_000), ("large", 200_000)] {
        stack.deployment.effects.answer(name, Reply::output(json!("x".repeat(bytes))));
    }
    let run = stack.deployment.start(json!({"text": "y".repeat(150_000)}));
    stack.deployment.play_to_end(run);
    stack.publish_all();
    let started = stack.data("flow.run.started");
    assert_eq!((&started["inputRef"]["url"], started["inputRef"]["bytes"].as_u64()), (&json!(format!("/api/runs/{run}")), Some(150_011)));
    assert!(started.get("input").is_none());
    let data = stack.data("flow.run.succeeded");
    let url = |node: &str| format!("/api/runs/{run}/steps/{node}/output");
    assert_eq!(refs(&data), [(url("e"), 80_002), (url("large"), 200_002)], "the largest, and no more than it takes");
    for (_, body) in stack.queued().into_values() {
        assert!(body.to_string().len() <= MAX_BODY_BYTES);
    }
}

#[test]
fn two_hundred_steps_with_long_errors_fit() {
    let after = |at: usize| if at < 198 { format!("route_to:n{:0>60}", at + 1) } else { "fail".to_owned() };
    let nodes: Vec<Value> = (0..199).map(|at| task(&format!("n{at:0>60}"), json!({"onError": after(at)}))).collect();
    let edges: Vec<String> = (0..198).map(|at| format!("n{at:0>60}>n{:0>60}", at + 1)).collect();
    let stack = Stack::of(&spec(&nodes, &edges.join(" ")));
    stack.endpoint("https://a.test", &["flow.run.succeeded"]);
    for at in 0..198 {
        stack.deployment.effects.answer(&format!("n{at:0>60}"), Reply::failure(&"é".repeat(3_000), false));
    }
    let run = stack.deployment.start(json!({}));
    stack.deployment.play_to_end(run);
    stack.publish_all();
    let (_, (_, body)) = stack.queued().pop_first().unwrap();
    assert_eq!(body["data"]["steps"].as_array().unwrap().len(), 199);
    assert!(body.to_string().len() <= MAX_BODY_BYTES, "{}", body.to_string().len());
}

#[test]
fn a_large_action_and_an_event_with_it_are_references() {
    let emit = json!({"id": "tell", "type": "webhook_emit", "event": "order.paid", "data": "${trigger}"});
    let stack = Stack::of(&spec(
        &[emit, gate("review", json!({"proposedAction": "${trigger}"})), service("pay", json!({}))],
        "tell>review review>pay",
    ));
    stack.endpoint("https://a.test", &["*"]);
    let run = stack.deployment.start(json!({"text": "y".repeat(300_000)}));
    stack.deployment.play();
    stack.publish_all();
    let asked = stack.data("flow.run.awaiting_approval");
    assert_eq!(asked["proposedActionRef"]["url"], json!(format!("/api/runs/{run}/steps/review/output?of=proposedAction")));
    let told = stack.data("order.paid");
    assert_eq!(told["inputRef"]["url"], json!(format!("/api/runs/{run}/steps/tell/output?of=input")));
    assert_eq!(told["inputRef"]["sha256"].as_str().map(str::len), Some(64));
}

#[test]
fn the_tokens_of_a_generation_are_in_its_event_however_large_its_answer_is() {
    let stack = Stack::of(&spec(&[llm("a", json!({}))], ""));
    stack.endpoint("https://a.test", &["generation.completed"]);
    stack
        .deployment
        .effects
        .answer("a", Reply::output(json!({"text": "x".repeat(300_000), "tokens": {"total": 9}, "inferenceMs": 3, "model": "m"})));
    let run = stack.deployment.start(json!({}));
    stack.deployment.play_to_end(run);
    stack.publish_all();
    let data = stack.data("generation.completed");
    assert_eq!((&data["tokens"]["total"], &data["inferenceMs"]), (&json!(9), &json!(3)));
}

#[test]
fn a_payload_that_was_purged_before_its_event_holds_nothing_up() {
    let emit = json!({"id": "tell", "type": "webhook_emit", "event": "order.paid", "data": "${trigger}"});
    let stack = Stack::of(&spec(&[llm("a", json!({})), emit], "a>tell"));
    stack.endpoint("https://a.test", &["*"]);
    stack.deployment.effects.answer("a", Reply::output(json!({"text": "x".repeat(300_000), "tokens": {"total": 9}})));
    let run = stack.deployment.start(json!({"text": "y".repeat(300_000)}));
    stack.deployment.play_to_end(run);
    let org = stack.deployment.run(run).org;
    stack.deployment.call(stack.deployment.outputs.purge(&org, &run, &testkit::build::actor("usr_ada"))).unwrap().unwrap();
    stack.publish_all();
    assert_eq!(stack.data("generation.completed")["tokens"], json!(null));
    assert_eq!(stack.data("flow.run.succeeded")["runId"], json!(run));
    assert!(stack.queued().values().all(|(_, body)| body["event"] != "order.paid"));
}
