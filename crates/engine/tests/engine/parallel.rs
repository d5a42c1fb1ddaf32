//! Branches go side by side.

use domain::ports::Clock;
use domain::run::{NodeStatus, RunStatus};
use serde_json::{Value, json};
use testkit::build::{at, decision, service, spec, task, transform};
use testkit::{Deployment, Reply};

fn diamond() -> Value {
    spec(
        &[
            transform("start", &json!(1)),
            service("left", json!({})),
            service("right", json!({"retry": {"maxAttempts": 2, "initialDelaySeconds": 1}})),
            transform("join", &json!(["${step.left.output.name}", "${step.right.output.name}"])),
        ],
        "start>left start>right left>join right>join",
    )
}

#[test]
fn both_requests_are_sent_before_either_answers() {
    let world = Deployment::of(&diamond());
    let slow = |name: &str| Reply::output(json!({"name": name})).after(60_000);
    world.effects.answer("left", slow("left")).answer("right", slow("right"));
    let run = world.start(json!({}));
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    assert_eq!(world.effects.sent().iter().map(|sent| sent.at).collect::<Vec<_>>(), [at(0), at(0)]);
    assert_eq!(world.clock.now(), at(60), "a minute each, side by side");
    assert_eq!(world.record(run, "join").unwrap().output, Some(domain::step::Payload::of(json!(["left", "right"]))));
}

#[test]
fn a_join_waits_for_the_slowest_and_a_retry_does_not_wait_for_a_neighbour() {
    let world = Deployment::of(&diamond());
    world.effects.answer("left", Reply::output(json!({"name": "left"})).after(30_000));
    world.effects.answer("right", Reply::unavailable());
    let run = world.start(json!({}));
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    assert!(world.effects.sent_to("right")[1].at < at(2), "it went again while its neighbour was still at work");
    assert_eq!(world.clock.now(), at(30));
}

#[test]
fn an_error_lets_what_is_in_flight_finish_and_starts_nothing_more() {
    let world = Deployment::of(&spec(
        &[
            transform("start", &json!(1)),
            task("slow", json!({})),
            task("bad", json!({})),
            task("after", json!({})),
            task("never", json!({})),
        ],
        "start>slow start>bad slow>after bad>never",
    ));
    world.effects.answer("slow", Reply::output(json!("done")).after(10_000)).answer("bad", Reply::refused());
    let run = world.start(json!({}));
    let ended = world.play_to_end(run);
    assert_eq!((ended.status, ended.finished_at), (RunStatus::Failed, Some(at(10))));
    assert_eq!(ended.error.unwrap().node.as_deref(), Some("bad"));
    assert_eq!(world.node(run, "slow").status, NodeStatus::Succeeded, "what was sent is on record");
    assert_eq!((world.node(run, "after").status, world.node(run, "never").status), (NodeStatus::Cancelled, NodeStatus::Cancelled));
    assert_eq!(world.effects.sent().len(), 2);
}

#[test]
fn a_branch_that_is_not_taken_is_skipped_with_all_that_lies_on_it() {
    let flow = spec(
        &[
            decision("choose", &[("a", "a1"), ("b", "b1")]),
            task("a1", json!({})),
            task("a2", json!({})),
            task("b1", json!({})),
            task("end", json!({})),
        ],
        "choose>a1:a choose>b1:b a1>a2 a2>end b1>end",
    );
    for (choice, taken, skipped) in [("a", vec!["a1", "a2", "end"], vec!["b1"]), ("b", vec!["b1", "end"], vec!["a1", "a2"])] {
        let world = Deployment::of(&flow);
        let run = world.start(json!({"choice": choice}));
        assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
        assert_eq!(world.effects.sent().iter().map(|sent| sent.name.as_str()).collect::<Vec<_>>(), taken);
        for node in skipped {
            assert_eq!(world.node(run, node).status, NodeStatus::Skipped, "{node}");
        }
    }
}

#[test]
fn no_step_begins_before_what_led_to_it_is_done() {
    let world = Deployment::of(&diamond());
    world.clock.tick_when_read();
    for side in ["left", "right"] {
        world.effects.answer(side, Reply::output(json!({"name": side})));
    }
    let run = world.start(json!({}));
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    let record = |node| world.record(run, node).unwrap();
    for (before, after) in [("start", "left"), ("start", "right"), ("left", "join"), ("right", "join")] {
        let (done, begun) = (record(before).completed_at, record(after).started_at);
        assert!(done <= begun, "{before} was done at {done}, {after} began at {begun}");
    }
}
