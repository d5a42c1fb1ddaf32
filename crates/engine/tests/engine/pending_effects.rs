//! What a crash left owing is paid.

use domain::ports::RunLists;
use domain::run::{PendingEffect, RunStatus};
use serde_json::json;
use testkit::build::{actor, approve, chain, gate, reject, spec, task};
use testkit::{Deployment, Fate, Stage, block_on};

fn waiting() -> (Deployment, domain::id::RunId) {
    let world = Deployment::of(&spec(&[gate("review", json!({}))], ""));
    let run = world.start(json!({}));
    (world, run)
}

fn pending(world: &Deployment) -> usize {
    block_on(&world.clock, world.store.with_pending_effects()).unwrap().len()
}

#[test]
fn a_first_segment_that_was_not_started_is_started() {
    let world = Deployment::of(&chain(2));
    world.faults.strike_call("start", 1, Fate::CrashBefore);
    assert!(world.execute(json!({}), None).is_none(), "the process died");
    world.faults.clear();
    let run = world.store.all_runs()[0].id;
    assert!(world.executions.all().is_empty());
    assert_eq!(world.reconcile().unwrap(), 1);
    world.play();
    assert_eq!(world.run(run).status, RunStatus::Succeeded);
    assert_eq!(pending(&world), 0);
}

#[test]
fn a_next_segment_that_was_not_started_is_started() {
    let (world, run) = waiting();
    // The worker dies right before it starts the second segment; and Step Functions, for once, does not retry.
    world.faults.strike_call("start", 1, Fate::CrashBefore);
    world.invoke(run, 1);
    world.faults.clear();
    assert_eq!((world.run(run).execution.pending, world.run(run).execution.segment), (Some(PendingEffect::StartExecution), 2));
    assert_eq!(world.reconcile().unwrap(), 1);
    assert_eq!(world.executions.all()[1].stage, Stage::BeforePark);
    world.play();
    assert_eq!(pending(&world), 0, "Park cleared the pending effect");
}

#[test]
fn the_retry_of_a_worker_that_died_before_it_started_the_next_segment_starts_it() {
    let (world, run) = waiting();
    world.faults.strike_call("start", 1, Fate::CrashBefore);
    world.play();
    assert_eq!(world.run(run).status, RunStatus::AwaitingApproval);
    assert!(world.run(run).execution.token.is_some(), "parked without a reconciliation");
}

#[test]
fn a_worker_that_hears_its_own_write_refused_still_starts_the_next_segment() {
    let (world, run) = waiting();
    world.faults.strike_call("commit", 1, Fate::Twice);
    world.play();
    assert_eq!(world.run(run).execution.segment, 2);
    assert!(world.run(run).execution.token.is_some(), "parked without a reconciliation");
}

#[test]
fn a_bell_that_was_not_rung_is_rung() {
    let (world, run) = waiting();
    world.play();
    world.faults.strike_call("resume", 1, Fate::FailBefore);
    world.decide(run, "", &actor("usr_ada"), approve()).unwrap();
    world.faults.clear();
    world.play();
    let token = world.run(run).execution.token.unwrap();
    assert_eq!((world.executions.resumes(&token), world.run(run).execution.pending), (0, Some(PendingEffect::SendTaskSuccess)));
    assert_eq!(world.reconcile().unwrap(), 1);
    assert_eq!(world.executions.resumes(&token), 1);
    world.play();
    assert_eq!(pending(&world), 0);
    assert_eq!(world.run(run).status, RunStatus::Succeeded);
}

#[test]
fn a_decision_on_a_run_whose_segment_was_never_started_starts_it() {
    let world = Deployment::of(&spec(&[gate("review", json!({})), task("last", json!({}))], "review>last"));
    let run = world.start(json!({}));
    world.faults.strike_call("start", 1, Fate::CrashBefore);
    world.invoke(run, 1);
    world.faults.clear();
    world.decide(run, "", &actor("usr_ada"), approve()).unwrap();
    assert_eq!((world.run(run).execution.pending, world.run(run).execution.token.clone()), (Some(PendingEffect::SendTaskSuccess), None));
    world.reconcile().unwrap();
    world.play();
    assert_eq!((world.run(run).status, pending(&world)), (RunStatus::Succeeded, 0));
}

#[test]
fn a_run_that_a_rejection_ended_pays_its_debt_too() {
    for fate in [Fate::Pass, Fate::FailBefore, Fate::LoseAnswer] {
        let (world, run) = waiting();
        world.play();
        world.faults.strike_call("resume", 1, fate);
        world.decide(run, "", &actor("usr_ada"), reject("no")).unwrap();
        world.faults.clear();
        world.play();
        world.reconcile().unwrap();
        world.play();
        assert_eq!((world.run(run).status, pending(&world)), (RunStatus::Failed, 0), "{fate:?}");
        assert!(world.executions.all().iter().all(testkit::Execution::is_over), "nothing is left parked");
    }
}

#[test]
fn an_ended_run_does_not_owe_for_ever_when_nothing_is_left_to_wake() {
    let (world, run) = waiting();
    world.play();
    world.decide(run, "", &actor("usr_ada"), reject("no")).unwrap();
    // The segment wakes, and every one of its invocations fails.
    world.faults.decide(|call| if call.name == "load" { Fate::FailBefore } else { Fate::Pass });
    while world.executions.all().iter().any(|execution| !execution.is_over()) {
        let execution = world.executions.all().into_iter().find(|execution| !execution.is_over()).unwrap();
        if execution.stage == Stage::Advance(testkit::ATTEMPTS - 1) {
            world.executions.set_stage(&execution.name, Stage::Failed);
        } else {
            world.step(&execution);
        }
    }
    world.faults.clear();
    world.settle(&world.executions.all()[1]);
    for _ in 0..3 {
        world.reconcile().unwrap();
        world.play();
    }
    assert_eq!(pending(&world), 0);
}

#[test]
fn one_debt_that_cannot_be_paid_does_not_hold_up_the_others() {
    let world = Deployment::of(&chain(1));
    world.faults.decide(|call| if call.name == "start" { Fate::FailBefore } else { Fate::Pass });
    for _ in 0..3 {
        world.start(json!({}));
    }
    assert_eq!(world.executions.starts(), 0);
    world.faults.strike_call("start", 1, Fate::FailBefore);
    assert!(world.reconcile().is_err(), "the failure is reported");
    assert_eq!(world.executions.all().len(), 2);
    world.faults.clear();
    world.reconcile().unwrap();
    world.play();
    assert_eq!(pending(&world), 0);
}

#[test]
fn paying_twice_does_no_harm() {
    let (world, run) = waiting();
    for _ in 0..3 {
        world.reconcile().unwrap();
    }
    world.play();
    assert_eq!(world.executions.all().len(), 2);
    world.decide(run, "", &actor("usr_ada"), approve()).unwrap();
    for _ in 0..3 {
        world.reconcile().unwrap();
    }
    world.play();
    assert_eq!(world.run(run).status, RunStatus::Succeeded);
    assert_eq!(world.executions.all().len(), 2);
}
