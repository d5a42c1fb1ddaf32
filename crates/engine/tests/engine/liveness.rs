//! A run always ends, or waits for a person or a clock: whatever its size is, and whatever has died.

use domain::error::ApplicationError;
use domain::id::RunId;
use domain::ports::{RunLists, Runs, Window};
use domain::run::{PendingEffect, RunStatus, STUCK_AFTER_SECONDS};
use serde_json::{Value, json};
use testkit::build::{actor, approve, chain, gate, reject, spec, task, transform};
use testkit::{Deployment, Fate, Stage, block_on};

/// The number of gates in [`many_gates`]: with 95 KB each they are larger together than a transaction may be.
const GATES: usize = 45;

/// A flow with many gates side by side, and an input that makes each of them large.
fn many_gates() -> (Value, Value) {
    let mut nodes = vec![transform("start", &json!(1))];
    let mut edges = Vec::new();
    for at in 0..GATES {
        nodes.push(gate(&format!("g{at}"), json!({"proposedAction": "${trigger.text}"})));
        edges.push(format!("start>g{at}"));
    }
    (spec(&nodes, &edges.join(" ")), json!({"text": "x".repeat(95 * 1024)}))
}

fn waiting() -> (Deployment, RunId) {
    let deployment = Deployment::of(&spec(&[gate("review", json!({}))], ""));
    let run = deployment.start(json!({}));
    deployment.play();
    (deployment, run)
}

fn assert_complete(deployment: &Deployment, run: RunId, status: RunStatus) {
    let ended = deployment.run(run);
    assert_eq!((ended.status, ended.execution.pending), (status, None));
    for at in 0..GATES {
        assert!(!deployment.gate(run, &format!("g{at}")).unwrap().is_open(), "g{at}");
    }
}

#[test]
fn a_run_whose_open_gates_are_larger_than_a_transaction_can_be_cancelled_and_rejected_and_expires() {
    let (spec, input) = many_gates();
    let deployment = Deployment::of(&spec);
    let [cancelled, rejected, expired] = [(); 3].map(|()| deployment.start(input.clone()));
    deployment.play();
    assert_eq!(deployment.run(cancelled).status, RunStatus::AwaitingApproval);
    deployment.cancel(cancelled, "not needed").unwrap();
    assert_complete(&deployment, cancelled, RunStatus::Cancelled);
    deployment.decide(rejected, "g7", &actor("usr_ada"), reject("no")).unwrap();
    deployment.play();
    assert_complete(&deployment, rejected, RunStatus::Failed);
    deployment.play_to_end(expired);
    assert_complete(&deployment, expired, RunStatus::Failed);
}

#[test]
fn a_gate_of_an_ended_run_counts_as_closed_before_it_is_closed() {
    let (deployment, run) = waiting();
    deployment.faults.strike_call("close_gate", 1, Fate::FailBefore);
    deployment.cancel(run, "not needed").unwrap();
    deployment.faults.clear();
    assert!(deployment.gate(run, "review").unwrap().is_open(), "the record still says so");

    let stored = deployment.run(run);
    let gates = block_on(&deployment.clock, deployment.store.gates(&stored)).unwrap();
    assert_eq!(gates.iter().map(|gate| gate.closed_at).collect::<Vec<_>>(), [stored.finished_at]);
    let window = Window { limit: 10, ..Window::default() };
    let inbox = block_on(&deployment.clock, deployment.store.open_gates(&deployment.org, None, &|_| true, &window)).unwrap();
    assert_eq!((inbox.rows.len(), inbox.total), (0, 0));
    let late = deployment.decide(run, "review", &actor("usr_ada"), approve());
    assert!(matches!(late, Err(ApplicationError::Conflict(_))), "{late:?}");

    deployment.reconcile().unwrap();
    assert!(!deployment.gate(run, "review").unwrap().is_open());
    assert_eq!(deployment.run(run).execution.pending, None);
}

#[test]
fn a_decision_on_a_run_whose_execution_is_gone_starts_the_next_segment() {
    let deployment = Deployment::of(&spec(&[gate("review", json!({})), task("last", json!({}))], "review>last"));
    let run = deployment.start(json!({}));
    deployment.play();
    let parked = deployment.run(run).execution_name();
    deployment.executions.set_stage(&parked, Stage::Aborted);
    deployment.decide(run, "review", &actor("usr_ada"), approve()).unwrap();
    deployment.play();
    assert_eq!(deployment.run(run).status, RunStatus::Running, "the task token is of no use");
    deployment.reconcile().unwrap();
    deployment.play();
    assert_eq!(deployment.run(run).status, RunStatus::Succeeded);
}

#[test]
fn a_run_that_waits_in_an_execution_that_is_stopped_goes_on_waiting_in_the_next_segment() {
    let deployment = Deployment::of(&spec(&[gate("review", json!({})), task("last", json!({}))], "review>last"));
    let run = deployment.start(json!({}));
    deployment.play();
    let parked = deployment.run(run);
    deployment.executions.set_stage(&parked.execution_name(), Stage::Aborted);
    assert_eq!(block_on(&deployment.clock, deployment.engine.settle_stopped(&run, 2, "stopped")).unwrap(), None);
    deployment.play();
    let waiting = deployment.run(run);
    assert_eq!((waiting.status, waiting.execution.segment > 2), (RunStatus::AwaitingApproval, true));
    assert!(waiting.execution.token.is_some() && waiting.execution.parked_until == parked.execution.parked_until);
    deployment.decide(run, "review", &actor("usr_ada"), approve()).unwrap();
    deployment.play();
    assert_eq!(deployment.run(run).status, RunStatus::Succeeded);
}

#[test]
fn a_run_that_is_at_work_in_an_execution_that_is_stopped_is_settled_as_failed() {
    let deployment = Deployment::of(&chain(2));
    let run = deployment.start(json!({}));
    deployment.faults.strike_call("perform", 2, Fate::CrashBefore);
    deployment.invoke(run, 1);
    deployment.executions.set_stage(&deployment.run(run).execution_name(), Stage::Aborted);
    let settled = block_on(&deployment.clock, deployment.engine.settle_stopped(&run, 1, "stopped from outside")).unwrap().unwrap();
    assert_eq!((settled.status, settled.error.unwrap().message.as_str()), (RunStatus::Failed, "stopped from outside"));
}

/// After a table was restored to an earlier time, the names of later segments are used up: their executions have ended long ago.
#[test]
fn segments_whose_names_are_used_up_by_executions_that_are_over_are_passed_over_at_once() {
    let nodes = [gate("first", json!({})), gate("second", json!({})), gate("third", json!({})), task("last", json!({}))];
    let deployment = Deployment::of(&spec(&nodes, "first>second second>third third>last"));
    let run = deployment.start(json!({}));
    deployment.play();
    let copy = deployment.store.copy();
    for node in ["first", "second", "third"] {
        deployment.decide(run, node, &actor("usr_ada"), approve()).unwrap();
        deployment.play();
    }
    assert_eq!(deployment.run(run).status, RunStatus::Succeeded);
    deployment.store.restore(&copy);
    assert_eq!(deployment.run(run).status, RunStatus::AwaitingApproval);
    for node in ["first", "second", "third"] {
        deployment.decide(run, node, &actor("usr_bob"), approve()).unwrap();
        deployment.play();
        deployment.reconcile().unwrap();
        deployment.play();
    }
    assert_eq!(deployment.run(run).status, RunStatus::Succeeded);
    let keys: Vec<_> = deployment.effects.sent_to("last").into_iter().map(|sent| sent.context.idempotency_key).collect();
    assert!(keys.len() == 2 && keys[0] == keys[1], "what is repeated has its key: {keys:?}");
}

#[test]
fn a_parked_run_whose_execution_is_gone_still_meets_its_deadline() {
    let (deployment, run) = waiting();
    let parked = deployment.run(run);
    deployment.executions.set_stage(&parked.execution_name(), Stage::Aborted);
    deployment.clock.set(parked.execution.parked_until.unwrap().plus_seconds(STUCK_AFTER_SECONDS));
    assert_eq!(deployment.reconcile().unwrap(), 1);
    deployment.play();
    assert_eq!(deployment.run(run).status, RunStatus::Failed);
}

#[test]
fn a_run_whose_invocation_died_and_whose_failure_was_never_reported_is_driven_on() {
    let deployment = Deployment::of(&chain(3));
    let run = deployment.start(json!({}));
    deployment.faults.strike_call("perform", 2, Fate::CrashBefore);
    deployment.invoke(run, 1);
    deployment.faults.clear();
    deployment.executions.set_stage(&deployment.run(run).execution_name(), Stage::Failed);
    assert_eq!(deployment.reconcile().unwrap(), 0, "its invocation may still be at work");
    deployment.clock.advance(deployment.invocation_seconds + STUCK_AFTER_SECONDS);
    assert_eq!(deployment.reconcile().unwrap(), 1);
    deployment.play();
    assert_eq!(deployment.run(run).status, RunStatus::Succeeded);
}

#[test]
fn a_pending_execution_whose_name_is_used_up_is_replaced_by_the_next_one() {
    let deployment = Deployment::of(&chain(1));
    let run = deployment.start(json!({}));
    deployment.executions.set_stage(&deployment.run(run).execution_name(), Stage::Failed);
    deployment.reconcile().unwrap();
    deployment.play();
    assert_eq!(deployment.run(run).status, RunStatus::Succeeded);
}

/// The execution exists, and is not over: it may only be slow.
#[test]
fn a_pending_execution_that_is_not_over_is_given_time_and_replaced_only_after_that() {
    let (deployment, run) = waiting();
    let copy = deployment.store.copy();
    // The table is restored to the moment before Park wrote its token. The execution waits for a token that no run knows.
    let mut unparked = copy.stored_run(&run).unwrap();
    unparked.execution.token = None;
    unparked.execution.pending = Some(PendingEffect::StartExecution);
    block_on(&deployment.clock, deployment.store.commit(unparked, &[])).unwrap();
    deployment.reconcile().unwrap();
    assert_eq!(deployment.run(run).execution.segment, 2);
    deployment.clock.advance(STUCK_AFTER_SECONDS);
    deployment.reconcile().unwrap();
    deployment.play();
    let waiting = deployment.run(run);
    assert!(waiting.execution.segment > 2 && waiting.execution.token.is_some() && waiting.execution.pending.is_none());
}

#[test]
fn crashes_with_progress_in_between_use_up_no_attempts() {
    let deployment = Deployment::of(&chain(12));
    let run = deployment.start(json!({}));
    let mut requests = 0;
    deployment.faults.decide(move |call| {
        requests += usize::from(call.name == "perform");
        // Every invocation dies when it sends its second request.
        if call.name == "perform" && requests % 2 == 0 { Fate::CrashBefore } else { Fate::Pass }
    });
    deployment.play();
    assert_eq!(deployment.run(run).status, RunStatus::Succeeded);
}

#[test]
fn crashes_without_progress_still_end_the_run() {
    let deployment = Deployment::of(&chain(2));
    let run = deployment.start(json!({}));
    deployment.faults.decide(|call| if call.name == "perform" { Fate::CrashBefore } else { Fate::Pass });
    deployment.play();
    assert_eq!(deployment.run(run).status, RunStatus::Failed);
}
