//! Nodes that wait for a clock.

use domain::flow::Spec;
use domain::ports::{Clock, Runs};
use domain::run::RunStatus;
use domain::step::Payload;
use serde_json::{Value, json};
use testkit::build::{at, spec, task, with};
use testkit::{Deployment, Fate};

fn waiting(fields: Value) -> Value {
    spec(&[task("a", json!({})), with(json!({"id": "rest", "type": "wait"}), fields), task("b", json!({}))], "a>rest rest>b")
}

#[test]
fn a_short_wait_is_slept_through_and_a_long_one_parks() {
    for (seconds, segments) in [(0, 1), (4, 1), (6, 2), (86_400, 2)] {
        let world = Deployment::of(&waiting(json!({"seconds": seconds})));
        let run = world.start(json!({}));
        assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded, "{seconds} s");
        assert_eq!((world.clock.now(), world.executions.all().len()), (at(seconds), segments), "{seconds} s");
        assert_eq!(world.record(run, "rest").unwrap().output, Some(Payload::of(json!({"resumedAt": at(seconds)}))));
        assert_eq!(world.effects.sent_to("b")[0].at, at(seconds));
    }
}

#[test]
fn a_time_that_has_passed_is_not_waited_for() {
    for (until, ends_at) in [(at(3_600), at(3_600)), (at(0), at(0))] {
        let world = Deployment::of(&waiting(json!({"until": until})));
        let run = world.start(json!({}));
        assert_eq!(world.play_to_end(run).finished_at, Some(ends_at));
    }
}

#[test]
fn a_wait_that_is_longer_than_an_execution_may_last_is_parked_again_and_ends_on_time() {
    const DAY: u64 = 24 * 3600;
    for (days, segments) in [(333, 2), (334, 3), (400, 3), (3_650, 12)] {
        let world = Deployment::of(&waiting(json!({"until": at(days * DAY)})));
        let run = world.start(json!({}));
        let ended = world.play_to_end(run);
        assert_eq!((ended.status, ended.finished_at), (RunStatus::Succeeded, Some(at(days * DAY))), "{days} days");
        assert_eq!(world.record(run, "rest").unwrap().output, Some(Payload::of(json!({"resumedAt": at(days * DAY)}))));
        assert_eq!(world.effects.sent_to("b")[0].at, at(days * DAY));
        let executions = world.executions.all();
        assert_eq!(executions.len(), segments, "{days} days");
        assert!(executions.iter().filter_map(|execution| execution.wait_seconds).all(|seconds| seconds < 365 * DAY));
        assert_eq!(world.node(run, "rest").attempts, 1, "a wait is one attempt, however often it is parked");
    }
}

#[test]
fn a_wait_that_an_earlier_version_has_shortened_lasts_as_long_as_it_was_asked_to() {
    const DAY: u64 = 24 * 3600;
    let world = Deployment::of(&waiting(json!({"until": at(400 * DAY)})));
    let run = world.start(json!({}));
    world.play();
    let mut stored = world.run(run);
    let spec = Spec::parse(&world.store.stored_version(&stored).spec).unwrap();
    stored.pause(&spec, spec.position(&"rest".parse().unwrap()).unwrap(), at(28_800_000), at(0)).unwrap();
    world.call(world.store.commit(stored, &[])).unwrap().unwrap();
    let ended = world.play_to_end(run);
    assert_eq!((ended.status, ended.finished_at), (RunStatus::Succeeded, Some(at(400 * DAY))));
}

#[test]
fn a_crash_does_not_make_a_wait_longer() {
    for fate in [Fate::FailBefore, Fate::LoseAnswer, Fate::CrashBefore, Fate::CrashAfter] {
        // Whatever happens to the segment that waits: it is Park, its Advance, or the commit after it.
        for nth in 1..=3 {
            let world = Deployment::of(&waiting(json!({"seconds": 600})));
            let run = world.start(json!({}));
            world.play();
            world.faults.strike(nth, fate);
            world.clock.set(at(600));
            let ended = world.play_to_end(run);
            assert_eq!((ended.status, ended.finished_at), (RunStatus::Succeeded, Some(at(600))), "{fate:?} of call {nth}");
            assert_eq!(world.effects.sent().len(), 2);
        }
    }
}
