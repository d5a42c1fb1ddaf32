//! A run begins, once.

use domain::error::ApplicationError;
use domain::flow::FlowStatus;
use domain::ports::Clock;
use domain::run::RunStatus;
use serde_json::json;
use testkit::build::chain;
use testkit::{Deployment, Fate};

#[test]
fn the_same_key_gives_the_first_run_again_and_another_body_is_a_conflict() {
    let world = Deployment::of(&chain(1));
    let first = world.execute(json!({"n": 1}), Some("k")).unwrap().unwrap();
    assert!(!first.repeated);
    let again = world.execute(json!({"n": 1}), Some("k")).unwrap().unwrap();
    assert_eq!((again.run.id, again.repeated), (first.run.id, true));
    let other = world.execute(json!({"n": 2}), Some("k")).unwrap().unwrap_err();
    assert_eq!(other.to_string(), "the Idempotency-Key was used with another body");
    let without = world.execute(json!({"n": 1}), None).unwrap().unwrap();
    assert_ne!(without.run.id, first.run.id);
    assert_eq!(world.store.all_runs().len(), 2);

    world.clock.advance(24 * 3600);
    let next_day = world.execute(json!({"n": 2}), Some("k")).unwrap().unwrap();
    assert!(!next_day.repeated && next_day.run.id != first.run.id);
}

#[test]
fn a_body_whose_numbers_are_only_spelt_differently_is_the_same_body() {
    let world = Deployment::of(&chain(1));
    let body = |text: &str| serde_json::from_str(text).unwrap();
    let first = world.execute(body(r#"{"a": 1.0, "b": [1e15, 0.5, -0.0]}"#), Some("k")).unwrap().unwrap();
    let again = world.execute(body(r#"{"a": 1, "b": [1000000000000000, 0.50, 0]}"#), Some("k")).unwrap().unwrap();
    assert_eq!((again.run.id, again.repeated), (first.run.id, true));
    assert!(world.execute(body(r#"{"a": 1, "b": [1000000000000001, 0.5, 0]}"#), Some("k")).unwrap().is_err());
}

#[test]
fn two_calls_with_one_key_at_the_same_time_start_one_run() {
    let world = Deployment::of(&chain(1));
    let faster = world.clone();
    world.faults.just_before("create", 1, move || {
        faster.execute(json!({}), Some("k")).unwrap().unwrap();
    });
    let slower = world.execute(json!({}), Some("k")).unwrap().unwrap();
    assert!(slower.repeated);
    assert_eq!(world.store.all_runs().len(), 1);
    world.play();
    assert_eq!(world.run(slower.run.id).status, RunStatus::Succeeded);
    assert_eq!(world.effects.sent().len(), 1);
}

#[test]
fn only_an_active_flow_runs() {
    for (status, message) in [
        (FlowStatus::Draft, "the flow is draft; only an active flow runs"),
        (FlowStatus::Paused, "the flow is paused; only an active flow runs"),
    ] {
        let mut world = Deployment::of(&chain(1));
        world.flow.status = status;
        let refused = world.execute(json!({}), None).unwrap().unwrap_err();
        assert!(matches!(refused, ApplicationError::Unprocessable { .. }));
        assert_eq!(refused.to_string(), message);
        assert!(world.store.all_runs().is_empty());
    }
}

/// Whatever call of the start goes wrong, and however, a client that tries again with its key has one run, which comes to its end.
#[test]
fn a_start_that_is_cut_short_anywhere_starts_one_run() {
    for fate in [Fate::FailBefore, Fate::LoseAnswer, Fate::Twice, Fate::CrashBefore, Fate::CrashAfter] {
        for nth in 1..=4 {
            let world = Deployment::of(&chain(2));
            world.faults.strike(nth, fate);
            _ = world.execute(json!({}), Some("k"));
            world.faults.clear();
            let run = world.execute(json!({}), Some("k")).unwrap().unwrap().run.id;
            assert_eq!(world.store.all_runs().len(), 1, "{fate:?} of call {nth}");
            assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded, "{fate:?} of call {nth}");
            assert_eq!(world.effects.sent().len(), 2);
        }
    }
}

#[test]
fn a_run_keeps_the_version_it_began_with() {
    use domain::flow::{Flow, Version};
    use domain::ports::Flows;
    let world = Deployment::of(&chain(3));
    let run = world.start(json!({}));
    let next = Flow { version: 2, updated_at: world.clock.now(), ..world.flow.clone() };
    let version = Version {
        created_by: None,
        flow: next.id,
        org: next.org,
        number: 2,
        slug: next.slug.clone(),
        name: next.name.clone(),
        spec: chain(1),
        created_at: world.clock.now(),
    };
    testkit::block_on(&world.clock, world.store.update_flow(&world.flow, &next, Some(&version))).unwrap();
    assert_eq!(world.play_to_end(run).flow_version, 1);
    assert_eq!(world.effects.sent().len(), 3);
}
