//! A gate expires, or is decided at the last moment.

use domain::gate::{DecisionTarget, Verdict};
use domain::ports::Clock;
use domain::run::{Exit, NodeStatus, RunStatus};
use serde_json::{Value, json};
use testkit::build::{actor, approve, approve_as, at, gate, reject, service, spec, transform};
use testkit::{Deployment, Invoked, Stage};

/// A gate of an hour; behind it `pay`, whether it was approved or expired.
fn either_way() -> Value {
    spec(
        &[
            gate("review", json!({"onTimeout": "route_to:read"})),
            transform("read", &json!({"decision": "${step.review.output.decision}", "action": "${step.review.output.proposedAction}"})),
            service("pay", json!({"body": {"direct": "${step.review.output.proposedAction}", "read": "${step.read.output}"}})),
        ],
        "review>read read>pay",
    )
}

fn parked(spec: &Value) -> (Deployment, domain::id::RunId) {
    let world = Deployment::of(spec);
    let run = world.start(json!({}));
    world.play();
    assert!(matches!(world.executions.all()[1].stage, Stage::Parked(_)));
    (world, run)
}

#[test]
fn a_gate_that_nobody_decides_expires_and_that_is_no_rejection() {
    let (world, run) = parked(&spec(&[gate("review", json!({})), service("pay", json!({}))], "review>pay"));
    let ended = world.play_to_end(run);
    assert_eq!((ended.status, world.clock.now()), (RunStatus::Failed, at(3_600)));
    assert_eq!(ended.error.unwrap().message, format!("no decision was made before {}", at(3_600)));
    let outcome = world.gate(run, "review").unwrap().outcome.unwrap();
    assert_eq!((outcome.verdict, outcome.actor), (Verdict::Expired, None));
    assert!(world.effects.sent().is_empty());
    let late = world.decide(run, "", &actor("usr_ada"), approve()).unwrap_err();
    assert_eq!(late.to_string(), "this approval was expired already");
}

#[test]
fn an_expiry_can_be_routed() {
    let (world, run) = parked(&either_way());
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    assert_eq!(world.node(run, "review").exit, Exit::Expired);
    let body = world.effects.sent_to("pay")[0].body().cloned();
    assert_eq!(body, Some(json!({"direct": {"amount": 1}, "read": {"decision": "expired", "action": {"amount": 1}}})));
}

#[test]
fn a_timer_that_is_left_over_never_touches_a_decided_gate() {
    let (world, run) = parked(&either_way());
    // The decision is recorded, and the resume is lost; then the time is up, an hour later.
    world.faults.strike_call("resume", 1, testkit::Fate::FailBefore);
    world.decide(run, "", &actor("usr_ada"), approve_as(json!({"amount": 9}))).unwrap();
    world.faults.clear();
    world.clock.set(at(3_600));
    world.play();
    assert_eq!(world.run(run).status, RunStatus::Succeeded);
    assert_eq!(world.gate(run, "review").unwrap().outcome.unwrap().verdict, Verdict::Approved);
    let body = world.effects.sent_to("pay")[0].body().cloned();
    assert_eq!(body, Some(json!({"direct": {"amount": 9}, "read": {"decision": "approved", "action": {"amount": 9}}})));
    // And once more, from a segment that is long over.
    for segment in [1, 2] {
        assert!(matches!(world.invoke(run, segment), Invoked::Done(_)));
    }
    assert_eq!(world.effects.sent().len(), 1);
}

/// The reviewer's clock and the worker's need not agree: a decision a moment before the deadline may be written while the worker
/// finds the gate overdue. The first write wins, and what is executed is what was decided.
#[test]
fn a_decision_that_beats_the_expiry_to_the_store_is_what_is_executed() {
    for written_before in ["commit", "gate"] {
        let (world, run) = parked(&either_way());
        world.clock.set(at(3_600));
        let reviewer = world.clone();
        let early = testkit::ManualClock::at(at(3_599));
        world.faults.just_before(written_before, 1, move || {
            let engine = engine::Engine { clock: early.clone(), ..reviewer.engine.clone() };
            let ballot = approve_as(json!({"amount": 9}));
            testkit::block_on(&early, engine.decide(&reviewer.org, &run, &DecisionTarget::default(), &actor("usr_ada"), ballot)).unwrap();
        });
        world.play();
        world.faults.clear();
        assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
        assert_eq!(world.gate(run, "review").unwrap().outcome.unwrap().verdict, Verdict::Approved);
        assert_eq!(world.node(run, "review").exit, Exit::Normal);
        let body = world.effects.sent_to("pay")[0].body().cloned();
        let expected = json!({"direct": {"amount": 9}, "read": {"decision": "approved", "action": {"amount": 9}}});
        assert_eq!(body, Some(expected), "the decision came just before `{written_before}`");
    }
}

/// The segment was woken by its timer, so the resume of the decision has no receiver.
#[test]
fn a_rejection_that_beats_the_expiry_to_the_store_leaves_no_debt() {
    let (world, run) = parked(&spec(&[gate("review", json!({})), service("pay", json!({}))], "review>pay"));
    world.clock.set(at(3_600));
    let reviewer = world.clone();
    let early = testkit::ManualClock::at(at(3_599));
    world.faults.just_before("commit", 1, move || {
        let engine = engine::Engine { clock: early.clone(), ..reviewer.engine.clone() };
        testkit::block_on(&early, engine.decide(&reviewer.org, &run, &DecisionTarget::default(), &actor("usr_ada"), reject("no"))).unwrap();
    });
    world.play();
    world.faults.clear();
    let ended = world.run(run);
    assert_eq!((ended.status, ended.execution.pending), (RunStatus::Failed, None));
    assert_eq!(ended.error.unwrap().message, "rejected by usr_ada: no");
    assert!(world.executions.all().iter().all(testkit::Execution::is_over));
}

#[test]
fn of_two_gates_each_has_its_own_deadline() {
    let (world, run) = parked(&spec(
        &[
            transform("start", &json!(1)),
            gate("soon", json!({"timeoutHours": 0.5, "onTimeout": "route_to:missed"})),
            gate("later", json!({"timeoutHours": 2})),
            service("missed", json!({})),
        ],
        "start>soon start>later",
    ));
    world.pass_time(run);
    world.play();
    assert_eq!(world.clock.now(), at(1_800));
    assert_eq!(world.effects.sent_to("missed").len(), 1);
    assert_eq!(world.node(run, "later").status, NodeStatus::AwaitingApproval);
    let parked = world.run(run);
    assert_eq!(world.executions.find(&parked.execution_name()).unwrap().wait_seconds, Some(5_400));
    world.decide(run, "later", &actor("usr_ada"), approve()).unwrap();
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
}

#[test]
fn an_invocation_without_time_left_hands_an_expired_gate_on_without_another_pause() {
    let (mut world, run) = parked(&either_way());
    world.invocation_seconds = 10;
    world.clock.set(at(3_600));
    assert!(matches!(world.invoke(run, 2), Invoked::Done(engine::Outcome::HandedOn)));
    assert_eq!(world.node(run, "review").exit, Exit::Expired);
    assert_eq!(world.run(run).execution.parked_until, None, "there is something to do at once");
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
}
