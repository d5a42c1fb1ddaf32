//! Several gates, several reviewers, other ways out.

use domain::error::ApplicationError;
use domain::gate::{Ballot, BallotOutcome, DecisionTarget, Verdict};
use domain::ports::{RunLists, Runs, Window};
use domain::run::{Exit, NodeStatus, RunStatus};
use serde_json::{Value, json};
use testkit::build::{actor, approve, approve_as, gate, reject, service, spec, task};
use testkit::{Deployment, block_on};

fn opened(spec: &Value) -> (Deployment, domain::id::RunId) {
    let world = Deployment::of(spec);
    let run = world.start(json!({}));
    world.play();
    (world, run)
}

/// `start`, then two gates side by side, each with a service behind it.
fn two_gates() -> Value {
    spec(
        &[
            task("start", json!({})),
            gate("left", json!({"proposedAction": {"side": "left"}})),
            gate("right", json!({"proposedAction": {"side": "right"}})),
            service("pay-left", json!({"body": "${step.left.output.proposedAction}"})),
            service("pay-right", json!({"body": "${step.right.output.proposedAction}"})),
        ],
        "start>left start>right left>pay-left right>pay-right",
    )
}

#[test]
fn of_two_open_gates_a_decision_must_name_one() {
    let (world, run) = opened(&two_gates());
    let refused = world.decide(run, "", &actor("usr_ada"), approve()).unwrap_err();
    let ApplicationError::NotBound(reason) = refused else { panic!("{refused:?}") };
    assert_eq!(reason.message, "several approvals are open; say which with nodeId: left, right");
    assert_eq!(reason.open.iter().map(|open| open.node.as_str()).collect::<Vec<_>>(), ["left", "right"]);
}

#[test]
fn two_gates_in_parallel_are_told_apart_by_name_in_either_order() {
    for (first, second) in [("left", "right"), ("right", "left")] {
        let (world, run) = opened(&two_gates());
        world.decide(run, first, &actor("usr_ada"), approve_as(json!({"edited": first}))).unwrap();
        world.play();
        // The first goes on while the second is still open.
        assert_eq!(world.effects.sent_to(&format!("pay-{first}"))[0].body(), Some(&json!({"edited": first})));
        assert!(world.effects.sent_to(&format!("pay-{second}")).is_empty());
        assert_eq!(world.run(run).status, RunStatus::AwaitingApproval);
        world.decide(run, second, &actor("usr_bob"), approve()).unwrap();
        assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
        assert_eq!(world.effects.sent_to(&format!("pay-{second}"))[0].body(), Some(&json!({"side": second})));
        assert_eq!(world.effects.sent().len(), 3);
    }
}

#[test]
fn decisions_that_come_together_before_the_segment_wakes_both_count() {
    let (world, run) = opened(&two_gates());
    world.decide(run, "left", &actor("usr_ada"), approve()).unwrap();
    world.decide(run, "right", &actor("usr_bob"), approve()).unwrap();
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    assert_eq!(world.effects.sent().len(), 3);
}

#[test]
fn a_rejection_that_fails_the_run_closes_the_other_gate() {
    let (world, run) = opened(&two_gates());
    world.decide(run, "left", &actor("usr_ada"), reject("no")).unwrap();
    let ended = world.run(run);
    let other = block_on(&world.clock, world.store.gate(&ended, &"right".parse().unwrap())).unwrap().unwrap();
    assert!(!other.is_open() && other.outcome.is_none(), "at once, for whoever asks");
    assert_eq!(world.play_to_end(run).status, RunStatus::Failed);
    assert_eq!(world.gate(run, "right"), Some(other), "and on record when the segment has gone on");
    assert_eq!(world.effects.sent().len(), 1);
    let late = world.decide(run, "right", &actor("usr_bob"), approve()).unwrap_err();
    assert_eq!(late.to_string(), "this approval is closed: its run has ended");
}

#[test]
fn an_error_elsewhere_closes_what_is_open() {
    let world = Deployment::of(&spec(
        &[task("start", json!({})), gate("review", json!({})), task("bad", json!({})), task("late", json!({}))],
        "start>review start>bad review>late",
    ));
    world.effects.answer("bad", testkit::Reply::refused().after(1_000));
    let run = world.start(json!({}));
    assert_eq!(world.play_to_end(run).status, RunStatus::Failed);
    let gate = world.gate(run, "review").unwrap();
    assert!(!gate.is_open() && gate.outcome.is_none());
    let inbox = Window { limit: 5, ..Window::default() };
    assert_eq!(block_on(&world.clock, world.store.open_gates(&world.org, None, &|_| true, &inbox)).unwrap().rows, []);
}

#[test]
fn a_rejection_can_be_routed_and_reads_as_a_decision() {
    let (world, run) = opened(&spec(
        &[
            gate("review", json!({"onReject": "route_to:tell"})),
            service("pay", json!({})),
            service("tell", json!({"body": {"was": "${step.review.output.decision}", "why": "${step.review.output.note}"}})),
        ],
        "review>pay",
    ));
    world.decide(run, "", &actor("usr_ada"), reject("too much")).unwrap();
    let ended = world.play_to_end(run);
    assert_eq!((ended.status, ended.error), (RunStatus::Succeeded, None));
    assert_eq!(world.effects.sent().len(), 1);
    assert_eq!(world.effects.sent_to("tell")[0].body(), Some(&json!({"was": "rejected", "why": "too much"})));
    assert_eq!((world.node(run, "review").exit, world.node(run, "pay").status), (Exit::Rejected, NodeStatus::Skipped));
}

#[test]
fn exactly_one_of_two_reviewers_wins_and_the_winner_may_repeat() {
    let (world, run) =
        opened(&spec(&[gate("review", json!({})), service("pay", json!({"body": "${step.review.output.proposedAction}"}))], "review>pay"));
    // Bob decides while Ada's decision is about to be written.
    let (bob, other) = (world.clone(), approve_as(json!({"amount": 2})));
    world.faults.just_before("commit", 1, move || {
        bob.decide(run, "", &actor("usr_bob"), other.clone()).unwrap();
    });
    let lost = world.decide(run, "", &actor("usr_ada"), approve_as(json!({"amount": 3}))).unwrap_err();
    assert_eq!(lost.to_string(), "this approval was approved already");
    world.faults.clear();
    for _ in 0..2 {
        let again = world.decide(run, "", &actor("usr_bob"), approve_as(json!({"amount": 2}))).unwrap();
        assert_eq!(again.counted, BallotOutcome::Repeated);
        world.play_to_end(run);
    }
    assert_eq!(world.effects.sent_to("pay").len(), 1);
    assert_eq!(world.effects.sent_to("pay")[0].body(), Some(&json!({"amount": 2})));
}

#[test]
fn a_checked_decision_is_what_would_be_recorded_and_records_nothing() {
    let flow = spec(&[gate("review", json!({"allowedEdits": ["/amount"]})), service("pay", json!({}))], "review>pay");
    let (world, run) = opened(&flow);
    let (before, open) = (world.run(run), world.gate(run, "review").unwrap());
    let ada = actor("usr_ada");
    let check =
        |ballot: Ballot| block_on(&world.clock, world.engine.check_decision(&world.org, &run, &DecisionTarget::default(), &ada, ballot));
    assert_eq!(check(approve()).unwrap().counted, BallotOutcome::Decided(Verdict::Approved));
    let refused = check(approve_as(json!({"amount": 2, "to": "usr_eve"}))).unwrap_err();
    assert!(matches!(refused, ApplicationError::Unprocessable { .. }), "{refused}");
    assert_eq!((world.run(run), world.gate(run, "review").unwrap()), (before, open));
    assert_eq!(world.decide(run, "", &ada, approve()).unwrap().counted, BallotOutcome::Decided(Verdict::Approved));
    let repeated = check(approve()).unwrap();
    assert_eq!(repeated.counted, BallotOutcome::Repeated);
}

#[test]
fn a_quorum_needs_that_many_people_and_the_first_rejection_rejects() {
    let quorum = spec(&[gate("review", json!({"requiredApprovals": 2})), service("pay", json!({}))], "review>pay");
    let (world, run) = opened(&quorum);
    assert_eq!(world.decide(run, "", &actor("usr_ada"), approve()).unwrap().counted, BallotOutcome::MoreNeeded);
    assert_eq!(world.decide(run, "", &actor("usr_ada"), approve()).unwrap().counted, BallotOutcome::Repeated);
    world.play();
    assert_eq!(world.run(run).status, RunStatus::AwaitingApproval, "one person twice is one person");
    assert_eq!(world.decide(run, "", &actor("usr_bob"), approve()).unwrap().counted, BallotOutcome::Decided(Verdict::Approved));
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    assert_eq!(world.gate(run, "review").unwrap().votes.len(), 2);

    let (world, run) = opened(&quorum);
    world.decide(run, "", &actor("usr_ada"), approve()).unwrap();
    world.decide(run, "", &actor("usr_bob"), reject("no")).unwrap();
    assert_eq!(world.play_to_end(run).status, RunStatus::Failed);
    assert!(world.effects.sent().is_empty());
}

#[test]
fn two_votes_at_the_same_time_are_both_counted() {
    let (world, run) = opened(&spec(&[gate("review", json!({"requiredApprovals": 2}))], ""));
    let bob = world.clone();
    world.faults.just_before("commit", 1, move || {
        assert_eq!(bob.decide(run, "", &actor("usr_bob"), approve()).unwrap().counted, BallotOutcome::MoreNeeded);
    });
    assert_eq!(world.decide(run, "", &actor("usr_ada"), approve()).unwrap().counted, BallotOutcome::Decided(Verdict::Approved));
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
}

#[test]
fn another_organisation_finds_neither_run_nor_gate() {
    let (mut world, run) = opened(&two_gates());
    world.org = testkit::build::Maker::new(99).org();
    for fault in [world.decide(run, "left", &actor("usr_ada"), approve()).unwrap_err(), world.cancel(run, "mine").unwrap_err()] {
        assert!(matches!(fault, ApplicationError::NotFound("run")), "{fault:?}");
    }
    assert!(world.gate(run, "left").unwrap().is_open());
}
