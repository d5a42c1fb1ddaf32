//! Failures that another attempt may cure, and those that none will.

use domain::ports::Clock;
use domain::run::{Exit, NodeStatus, RunStatus};
use serde_json::{Value, json};
use testkit::build::{at, service, spec, task};
use testkit::{Deployment, Reply};

fn retried(retry: &Value) -> Value {
    spec(&[task("a", json!({"retry": retry})), task("b", json!({}))], "a>b")
}

#[test]
fn a_short_backoff_is_slept_through_in_one_segment() {
    let world = Deployment::of(&retried(&json!({"maxAttempts": 3, "initialDelaySeconds": 1})));
    world.effects.answer("a", Reply::unavailable()).answer("a", Reply::unavailable());
    let run = world.start(json!({}));
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    let sent = world.effects.sent_to("a");
    assert_eq!(sent.len(), 3);
    let waits: Vec<u64> = sent.windows(2).map(|pair| pair[1].at.millis_since(pair[0].at)).collect();
    assert!((500..=1_000).contains(&waits[0]) && (1_000..=2_000).contains(&waits[1]), "half of the backoff is jitter: {waits:?}");
    assert!(sent.iter().all(|attempt| attempt.context.idempotency_key == sent[0].context.idempotency_key));
    assert_eq!(world.executions.all().len(), 1, "nothing was parked");
    let record = world.record(run, "a").unwrap();
    assert_eq!((record.attempts, record.started_at, record.completed_at), (3, at(0), world.clock.now()));
}

#[test]
fn a_long_backoff_parks_the_run() {
    let world = Deployment::of(&retried(&json!({"maxAttempts": 2, "initialDelaySeconds": 600, "maxDelaySeconds": 600})));
    world.effects.answer("a", Reply::unavailable());
    let run = world.start(json!({}));
    world.play();
    let parked = world.run(run);
    assert_eq!((parked.status, parked.execution.owner.clone()), (RunStatus::Running, None));
    assert!(world.executions.find(&parked.execution_name()).unwrap().wait_seconds.is_some_and(|seconds| (300..=600).contains(&seconds)));
    assert_eq!(world.effects.sent().len(), 1);
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    assert_eq!((world.effects.sent_to("a").len(), world.record(run, "a").unwrap().attempts), (2, 2));
    assert_eq!(world.executions.all().len(), 2);
}

#[test]
fn retry_after_is_waited_for_even_if_it_is_longer_than_the_backoff() {
    let world = Deployment::of(&retried(&json!({"maxAttempts": 2, "initialDelaySeconds": 1})));
    world.effects.answer("a", Reply::unavailable().retry_after(120));
    let run = world.start(json!({}));
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    assert_eq!(world.effects.sent_to("a")[1].at, at(120));
}

#[test]
fn when_the_attempts_are_spent_the_step_fails_with_the_last_message() {
    let world = Deployment::of(&retried(&json!({"maxAttempts": 2, "initialDelaySeconds": 0})));
    world.effects.answer("a", Reply::unavailable()).answer("a", Reply::unavailable());
    let run = world.start(json!({}));
    let ended = world.play_to_end(run);
    assert_eq!((ended.status, ended.error.unwrap().message.as_str()), (RunStatus::Failed, "the service answered 503"));
    assert_eq!(world.effects.sent().len(), 2);
    assert_eq!((world.node(run, "a").status, world.node(run, "b").status), (NodeStatus::Failed, NodeStatus::Cancelled));
}

#[test]
fn what_no_attempt_will_cure_is_tried_once() {
    let world = Deployment::of(&retried(&json!({"maxAttempts": 5})));
    world.effects.answer("a", Reply::refused());
    let run = world.start(json!({}));
    assert_eq!(world.play_to_end(run).status, RunStatus::Failed);
    assert_eq!(world.effects.sent().len(), 1);
}

#[test]
fn an_error_can_be_routed_and_the_plain_way_is_skipped() {
    let world =
        Deployment::of(&spec(&[task("a", json!({"onError": "route_to:mend"})), task("b", json!({})), service("mend", json!({}))], "a>b"));
    world.effects.answer("a", Reply::refused());
    let run = world.start(json!({}));
    let ended = world.play_to_end(run);
    assert_eq!((ended.status, ended.error), (RunStatus::Succeeded, None));
    assert_eq!((world.node(run, "a").status, world.node(run, "a").exit), (NodeStatus::Failed, Exit::Error));
    assert_eq!(world.node(run, "b").status, NodeStatus::Skipped);
    assert_eq!(world.effects.sent_to("mend").len(), 1);
}

#[test]
fn a_template_whose_value_is_not_there_fails_the_step_with_its_path() {
    let world = Deployment::of(&spec(&[service("a", json!({})), service("b", json!({"body": "${step.a.output.no.such}"}))], "a>b"));
    let run = world.start(json!({}));
    let ended = world.play_to_end(run);
    assert_eq!(ended.status, RunStatus::Failed);
    assert!(ended.error.unwrap().message.contains("step.a.output.no.such"));
    assert_eq!(world.record(run, "b").unwrap().status, NodeStatus::Failed);
    assert!(world.effects.sent_to("b").is_empty());
}
