//! A run is run again: what was finished is taken over, and the rest is done as if for the first time.

use domain::error::ApplicationError;
use domain::gate::Verdict;
use domain::id::RunId;
use domain::ports::{Flows, Runs};
use domain::run::{NodeStatus, Run, RunStatus};
use domain::step::Payload;
use engine::{RetryOptions, Started};
use serde_json::json;
use testkit::build::{actor, approve_as, canonical, chain, gate, service, spec, transform, with};
use testkit::{Deployment, Reply, block_on};

fn retried(world: &Deployment, run: RunId, again: RetryOptions) -> Result<Started, ApplicationError> {
    world.call(world.engine.retry(&world.entropy, &world.org, &run, &actor("usr_operator"), again)).unwrap()
}

fn again(world: &Deployment, run: RunId) -> RunId {
    retried(world, run, RetryOptions::default()).unwrap().run.id
}

fn from(node: &str) -> RetryOptions {
    RetryOptions { from: Some(node.parse().unwrap()), ..RetryOptions::default() }
}

/// A canonical run whose payment was refused after the approval.
fn unpaid() -> (Deployment, RunId) {
    let world = Deployment::of(&canonical());
    world.effects.answer("draft", Reply::parsed(&json!({"amount": 10})));
    world.effects.answer("pay", Reply::refused());
    let run = world.start(json!({"ticket": "T-1"}));
    world.play();
    world.decide(run, "", &actor("usr_ada"), approve_as(json!({"amount": 7}))).unwrap();
    assert_eq!(world.play_to_end(run).status, RunStatus::Failed);
    (world, run)
}

#[test]
fn what_was_approved_is_sent_again_without_asking_the_model_or_the_reviewer_again() {
    let (world, before) = unpaid();
    let run = again(&world, before);
    let ended = world.play_to_end(run);

    assert_eq!(ended.status, RunStatus::Succeeded);
    assert_ne!(run, before);
    assert_eq!((ended.retried.as_ref().unwrap().of, ended.started_by.as_str()), (before, "usr_operator"));
    assert_eq!(world.effects.sent_to("draft").len(), 1);
    let paid = world.effects.sent_to("pay");
    assert_eq!(paid.iter().map(|sent| sent.body().unwrap().clone()).collect::<Vec<_>>(), [json!({"amount": 7}), json!({"amount": 7})]);
    assert_eq!(paid[0].context.idempotency_key, paid[1].context.idempotency_key, "what is sent again is recognised");
    assert_ne!(paid[0].context.trace_id, paid[1].context.trace_id, "it is a run of its own");

    let gate = world.gate(run, "review").unwrap();
    assert_eq!((gate.run, gate.reused_from), (run, Some(before)));
    let outcome = gate.outcome.unwrap();
    assert_eq!((outcome.verdict, outcome.actor.as_deref()), (Verdict::Approved, Some("usr_ada")));
    assert_eq!(world.record(run, "draft").unwrap().reused_from, Some(before));
    assert_eq!(world.record(run, "pay").unwrap().reused_from, None);
    assert_eq!(world.run(before).status, RunStatus::Failed, "the run before it stays as it was");
}

#[test]
fn from_the_draft_on_everything_is_done_again_and_the_reviewer_is_asked_again() {
    let (world, before) = unpaid();
    world.effects.answer("draft", Reply::parsed(&json!({"amount": 20})));
    let run = retried(&world, before, from("draft")).unwrap().run.id;
    world.play();
    assert_eq!(world.run(run).status, RunStatus::AwaitingApproval);
    assert_eq!(world.gate(run, "review").unwrap().proposed_action, Payload::of(json!({"amount": 20})));
    world.decide(run, "", &actor("usr_ada"), approve_as(json!({"amount": 8}))).unwrap();
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    let keys: Vec<_> = world.effects.sent_to("pay").into_iter().map(|sent| sent.context.idempotency_key).collect();
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0], keys[1], "another action is another effect");
}

#[test]
fn a_retry_can_fail_and_be_retried() {
    let (world, first) = unpaid();
    world.effects.answer("pay", Reply::refused());
    let second = again(&world, first);
    assert_eq!(world.play_to_end(second).status, RunStatus::Failed);
    let third = again(&world, second);
    let ended = world.play_to_end(third);
    assert_eq!(ended.status, RunStatus::Succeeded);
    assert_eq!(ended.root(), first);
    assert_eq!(world.record(third, "draft").unwrap().reused_from, Some(first), "the run that really did it");
    let keys: std::collections::BTreeSet<_> = world.effects.sent_to("pay").into_iter().map(|sent| sent.context.idempotency_key).collect();
    assert_eq!(keys.len(), 1);
}

#[test]
fn a_cancelled_run_goes_on_where_it_was_stopped() {
    let world = Deployment::of(&spec(
        &[transform("a", &json!({"n": 1})), gate("ask", json!({})), service("b", json!({"body": "${step.a.output}"}))],
        "a>ask ask>b",
    ));
    let before = world.start(json!({}));
    world.play();
    world.cancel(before, "not now").unwrap();
    let run = again(&world, before);
    world.play();
    assert_eq!(world.node(run, "ask").status, NodeStatus::AwaitingApproval, "there was no decision");
    world.decide(run, "", &actor("usr_ada"), testkit::build::approve()).unwrap();
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    assert_eq!(world.effects.sent_to("b")[0].body(), Some(&json!({"n": 1})));
}

#[test]
fn only_what_failed_or_was_cancelled_can_be_retried() {
    let world = Deployment::of(&canonical());
    world.effects.answer("draft", Reply::parsed(&json!({"amount": 1})));
    let run = world.start(json!({"ticket": "T-1"}));
    let refused = |expected: &str| match retried(&world, run, RetryOptions::default()) {
        Err(ApplicationError::Conflict(message)) => {
            assert_eq!(message, format!("the run is {expected}; only a run that failed or was cancelled can be retried"));
        }
        other => panic!("{other:?}"),
    };
    refused("running");
    world.play();
    refused("awaiting_approval");
    world.decide(run, "", &actor("usr_ada"), testkit::build::approve()).unwrap();
    world.play_to_end(run);
    refused("succeeded");
    let foreign = world.call(world.engine.retry(
        &world.entropy,
        &testkit::build::Maker::new(9).org(),
        &run,
        &actor("usr_x"),
        RetryOptions::default(),
    ));
    assert!(matches!(foreign, Some(Err(ApplicationError::NotFound("run")))));
}

#[test]
fn a_node_that_is_not_in_the_flow_is_told_at_its_field() {
    let (world, before) = unpaid();
    let Err(ApplicationError::Invalid(errors)) = retried(&world, before, from("nobody")) else { panic!("it was taken") };
    assert_eq!(errors.by_path()["fromNodeId"], ["version 1 of the flow has no node `nobody`"]);
}

#[test]
fn the_newest_version_runs_if_that_is_wanted() {
    let (world, before) = unpaid();
    let mended = with(service("pay", json!({"body": "${step.review.output.proposedAction}"})), json!({"path": "/mended/pay"}));
    let mut latest = canonical();
    latest["nodes"][2] = mended;
    let flow = domain::flow::Flow { version: 2, ..world.flow.clone() };
    let version = domain::flow::Version { number: 2, spec: latest, ..world.store.stored_version(&world.run(before)) };
    block_on(&world.clock, world.store.update_flow(&world.flow, &flow, Some(&version))).unwrap();
    let path = |run: &Run| {
        assert_eq!(world.play_to_end(run.id).status, RunStatus::Succeeded);
        let input = world.record(run.id, "pay").unwrap().input;
        let Some(Payload::Inline(input)) = input else { panic!("{input:?}") };
        input["path"].clone()
    };
    let on_its_own = retried(&world, before, RetryOptions::default()).unwrap().run;
    assert_eq!((on_its_own.flow_version, path(&on_its_own)), (1, json!("/pay")));
    let on_latest = retried(&world, before, RetryOptions { on_latest_version: true, ..RetryOptions::default() }).unwrap().run;
    world.play();
    // The payment goes elsewhere now, so the reviewer is asked again.
    world.decide(on_latest.id, "review", &actor("usr_ada"), approve_as(json!({"amount": 7}))).unwrap();
    assert_eq!((on_latest.flow_version, path(&on_latest)), (2, json!("/mended/pay")));
    assert_eq!(world.effects.sent_to("draft").len(), 1, "what did not change is taken over");
}

#[test]
fn the_same_idempotency_key_gives_the_same_retry() {
    let (world, before) = unpaid();
    let keyed = |key: &str, node: Option<&str>| RetryOptions {
        idempotency_key: Some(key.to_owned()),
        from: node.map(|node| node.parse().unwrap()),
        ..RetryOptions::default()
    };
    let first = retried(&world, before, keyed("k", None)).unwrap();
    let second = retried(&world, before, keyed("k", None)).unwrap();
    assert_eq!((second.run.id, second.repeated), (first.run.id, true));
    assert!(matches!(retried(&world, before, keyed("k", Some("draft"))), Err(ApplicationError::Conflict(_))));
    assert_ne!(retried(&world, before, keyed("l", None)).unwrap().run.id, first.run.id);
}

#[test]
fn whoever_started_the_run_before_may_not_decide_where_a_second_person_is_asked_for() {
    let asking = gate("ask", json!({"requireDifferentActor": true}));
    let world = Deployment::of(&spec(&[asking, service("b", json!({}))], "ask>b"));
    let before = world.start(json!({}));
    world.play();
    world.cancel(before, "not now").unwrap();
    let run = again(&world, before);
    world.play();
    for who in ["usr_starter", "usr_operator"] {
        let refused = world.decide(run, "", &actor(who), testkit::build::approve());
        assert!(matches!(refused, Err(ApplicationError::Forbidden(_))), "{who}: {refused:?}");
    }
    world.decide(run, "", &actor("usr_ada"), testkit::build::approve()).unwrap();
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
}

#[test]
fn large_outputs_are_taken_over_too() {
    let world = Deployment::of(&chain(2));
    world.effects.answer("n1", Reply::output(json!({"text": "x".repeat(200_000)})));
    world.effects.answer("n2", Reply::refused());
    let before = world.start(json!({"large": "y".repeat(200_000)}));
    assert_eq!(world.play_to_end(before).status, RunStatus::Failed);
    let run = again(&world, before);
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    let Some(Payload::Stored(object)) = world.record(run, "n1").unwrap().output else { panic!("it is not large") };
    assert!(object.key.contains(&run.to_string()), "{}", object.key);
    let Payload::Stored(input) = block_on(&world.clock, world.store.input(&world.run(run))).unwrap() else { panic!("it is not large") };
    assert!(input.key.contains(&run.to_string()), "{}", input.key);
}

#[test]
fn what_is_no_longer_kept_is_not_done_again_without_being_asked() {
    let (world, before) = unpaid();
    let run = again(&world, before);
    // In the moment between the request and its first step.
    world.store.forget_step(&before, "draft");
    let ended = world.play_to_end(run);
    assert_eq!(ended.status, RunStatus::Failed);
    let expected = format!("what `draft` put out in {before} is no longer kept; retry from there, or start a new run");
    assert_eq!(ended.error.unwrap().message, expected);
    assert_eq!(world.effects.sent_to("draft").len(), 1);
    assert_eq!(world.effects.sent_to("pay").len(), 1);
}

/// Whenever the process dies on the way, the retry goes on, and nothing is done twice but what was under way.
#[test]
fn a_retry_survives_a_crash_at_every_call() {
    for crash_at in 0.. {
        let (world, before) = unpaid();
        let run = again(&world, before);
        let mut calls = 0;
        world.faults.decide(move |_| {
            calls += 1;
            if calls == crash_at + 1 { testkit::Fate::CrashAfter } else { testkit::Fate::Pass }
        });
        let ended = world.play_to_end(run);
        assert_eq!(ended.status, RunStatus::Succeeded, "crash at call {crash_at}");
        assert_eq!(world.effects.sent_to("draft").len(), 1);
        let decided = world.gate(run, "review").unwrap().outcome.unwrap().decided_action;
        assert_eq!(decided, Payload::of(json!({"amount": 7})));
        if crash_at > 40 {
            break;
        }
    }
}
