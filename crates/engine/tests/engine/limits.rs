//! Time and size.

use domain::run::{NodeStatus, RunStatus};
use domain::step::{MAX_OUTPUT_BYTES, Payload};
use serde_json::json;
use testkit::build::{at, chain, service, spec, task};
use testkit::{Deployment, Reply};

#[test]
fn an_invocation_hands_on_in_time_and_the_next_one_finishes() {
    let mut world = Deployment::of(&chain(6));
    // Room for a node of 30 seconds and the margin, and for little more.
    world.invocation_seconds = 60;
    for node in ["n1", "n2", "n3", "n4", "n5", "n6"] {
        world.effects.answer(node, Reply::output(json!({})).after(6_000));
    }
    let run = world.start(json!({}));
    let ended = world.play_to_end(run);
    assert_eq!((ended.status, ended.finished_at), (RunStatus::Succeeded, Some(at(36))));
    let executions = world.executions.all();
    assert_eq!(executions.len(), 3, "two nodes in each segment: {executions:?}");
    assert!(executions.iter().all(|execution| execution.wait_seconds.is_none()), "a segment that continues does not park");
    assert_eq!(world.effects.sent().len(), 6, "nothing is sent twice");
}

#[test]
fn a_node_that_needs_more_time_than_an_invocation_has_is_tried_all_the_same() {
    let mut world = Deployment::of(&spec(&[task("a", json!({"timeoutSeconds": 600}))], ""));
    world.invocation_seconds = 60;
    let run = world.start(json!({}));
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    assert_eq!(world.executions.all().len(), 1, "putting it off would only start the same again");
}

#[test]
fn an_output_of_more_than_25_mb_fails_its_step() {
    let world = Deployment::of(&chain(2));
    world.effects.answer("n1", Reply::output(json!("x".repeat(MAX_OUTPUT_BYTES))));
    let run = world.start(json!({}));
    let ended = world.play_to_end(run);
    assert_eq!(ended.status, RunStatus::Failed);
    let expected = format!("the output has {} bytes; a step may put out at most {MAX_OUTPUT_BYTES}", MAX_OUTPUT_BYTES + 2);
    assert_eq!(ended.error.unwrap().message, expected);
    let record = world.record(run, "n1").unwrap();
    assert_eq!((record.status, record.output), (NodeStatus::Failed, None));
}

#[test]
fn a_large_output_lies_beside_the_record_and_is_read_downstream_and_after_a_crash() {
    for crash in [false, true] {
        let large = "x".repeat(200_000);
        let world = Deployment::of(&spec(&[service("a", json!({})), service("b", json!({"body": "${step.a.output.text}"}))], "a>b"));
        world.effects.answer("a", Reply::output(json!({"text": large})));
        let run = world.start(json!({}));
        if crash {
            world.faults.strike_call("record", 1, testkit::Fate::CrashAfter);
        }
        assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
        assert_eq!(world.effects.sent_to("b")[0].body(), Some(&json!(large)));
        assert_eq!(world.effects.sent_to("a").len(), 1, "it was on record");
        assert!(matches!(world.record(run, "a").unwrap().output, Some(Payload::Stored(_))));
        assert_eq!(world.faults.count("fetch"), usize::from(crash), "what is at hand is not fetched");
    }
}
