//! A gate is escalated, its assignee is reminded, and it is reassigned, while its run is parked.

use domain::access::Assignee;
use domain::error::ApplicationError;
use domain::gate::{Ballot, Gate, Verdict};
use domain::id::RunId;
use domain::ports::Clock;
use domain::run::RunStatus;
use engine::Reassign;
use serde_json::{Value, json};
use testkit::build::{actor, approve, at, gate, service, spec};
use testkit::{Deployment, Fate, Stage, block_on};

/// A gate of an hour that is escalated after 20 and 30 minutes, with a reminder 15 minutes before its end.
fn escalated() -> Value {
    let rules = json!({
        "assignTo": "user:usr_ada",
        "escalate": [{"afterHours": 0.5, "to": "user:usr_bob"}, {"afterHours": 1.0 / 3.0, "to": "user:usr_eve"}],
        "remind": [{"beforeHours": 0.25}],
    });
    spec(&[gate("review", rules), service("pay", json!({}))], "review>pay")
}

fn parked(spec: &Value) -> (Deployment, RunId) {
    let world = Deployment::of(spec);
    let run = world.start(json!({}));
    world.play();
    (world, run)
}

fn parked_until(world: &Deployment) -> u64 {
    let stages = world.executions.all().into_iter().filter_map(|execution| match execution.stage {
        Stage::Parked(until) => Some(until),
        _ => None,
    });
    stages.min().unwrap().seconds() - at(0).seconds()
}

/// What has happened to the gate: to whom it was assigned and when, and when the assignee was reminded, in seconds.
fn history(gate: &Gate) -> (Vec<(String, u64)>, Vec<u64>) {
    let seconds = |time: domain::time::Time| time.seconds() - at(0).seconds();
    let reassignments = gate.reassignments.iter().map(|one| (one.to.to_string(), seconds(one.at))).collect();
    (reassignments, gate.reminders.iter().map(|time| seconds(*time)).collect())
}

#[test]
fn a_gate_is_escalated_and_its_assignee_reminded_on_time_and_then_it_expires() {
    let (world, run) = parked(&escalated());
    assert_eq!(parked_until(&world), 1_200, "the run parks until the first escalation");
    let ended = world.play_to_end(run);
    assert_eq!((ended.status, world.clock.now()), (RunStatus::Failed, at(3_600)));
    let gate = world.gate(run, "review").unwrap();
    let expected = vec![("user:usr_eve".to_owned(), 1_200), ("user:usr_bob".to_owned(), 1_800)];
    assert_eq!(history(&gate), (expected, vec![2_700]));
    assert_eq!(gate.reassignments[0].from, Some("user:usr_ada".parse::<Assignee>().unwrap()));
    assert!(gate.reassignments.iter().all(|one| one.by.is_none()));
    assert_eq!(gate.outcome.unwrap().verdict, Verdict::Expired);
    assert_eq!(ended.execution.segment, 5, "a segment for each of the four times, and the first");
}

#[test]
fn who_may_decide_changes_with_the_escalation_and_nothing_happens_after_the_decision() {
    let (world, run) = parked(&escalated());
    assert!(matches!(world.decide(run, "", &actor("usr_eve"), approve()), Err(ApplicationError::Forbidden(_))));
    world.clock.set(at(1_200));
    world.play();
    assert!(matches!(world.decide(run, "", &actor("usr_ada"), approve()), Err(ApplicationError::Forbidden(_))));
    world.decide(run, "", &actor("usr_eve"), approve()).unwrap();
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    // A timer that is left over.
    world.clock.set(at(3_000));
    world.play();
    for segment in 1..=3 {
        _ = world.invoke(run, segment);
    }
    assert_eq!(history(&world.gate(run, "review").unwrap()), (vec![("user:usr_eve".to_owned(), 1_200)], vec![]));
}

#[test]
fn a_worker_that_comes_late_does_everything_that_is_due_once_and_in_order() {
    let (world, run) = parked(&escalated());
    // Whatever becomes of the first writes at that time, the record has each change once.
    world.clock.set(at(2_800));
    for (call, fate) in [("commit", Fate::LoseAnswer), ("commit", Fate::CrashAfter), ("commit", Fate::FailBefore)] {
        world.faults.strike_call(call, 1, fate);
        world.play();
    }
    world.faults.clear();
    world.play();
    let expected = vec![("user:usr_eve".to_owned(), 2_800), ("user:usr_bob".to_owned(), 2_800)];
    assert_eq!(history(&world.gate(run, "review").unwrap()), (expected, vec![2_800]));
    assert_eq!(parked_until(&world), 3_600);
}

fn reassign(world: &Deployment, run: RunId, who: &str, to: &str, may_always: bool) -> Result<Gate, ApplicationError> {
    let approval = world.gate(run, "review").unwrap().id;
    let request = Reassign { approval, node: None, to: to.parse().unwrap(), note: Some("on leave".to_owned()), may_always };
    block_on(&world.clock, world.engine.reassign(&world.org, &run, &actor(who), &request))
}

#[test]
fn whoever_may_decide_can_reassign_and_the_votes_stay() {
    let rules = json!({"assignTo": "user:usr_ada", "requiredApprovals": 2});
    let (world, run) = parked(&spec(&[gate("review", rules), service("pay", json!({}))], "review>pay"));
    world.decide(run, "", &actor("usr_ada"), approve()).unwrap();
    assert!(matches!(reassign(&world, run, "usr_eve", "user:usr_eve", false), Err(ApplicationError::Forbidden(_))));
    let gate = reassign(&world, run, "usr_ada", "user:usr_bob", false).unwrap();
    assert_eq!((gate.votes.len(), gate.reassignments.len()), (1, 1));
    assert_eq!(gate.reassignments[0].by.as_ref().map(|by| by.id.as_str()), Some("usr_ada"));
    assert!(matches!(world.decide(run, "", &actor("usr_ada"), Ballot::Reject { note: None }), Err(ApplicationError::Forbidden(_))));
    // Somebody who may change flows may reassign every approval.
    let gate = reassign(&world, run, "usr_root", "user:usr_bob", true).unwrap();
    assert_eq!(gate.reassignments.len(), 1, "it is assigned to them already");
    world.decide(run, "", &actor("usr_bob"), approve()).unwrap();
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    assert!(matches!(reassign(&world, run, "usr_root", "user:usr_eve", true), Err(ApplicationError::Conflict(_))));
}

#[test]
fn a_gate_that_was_reassigned_is_still_escalated_at_its_time() {
    let (world, run) = parked(&escalated());
    reassign(&world, run, "usr_ada", "user:usr_zoe", false).unwrap();
    world.clock.set(at(1_200));
    world.play();
    let (reassignments, _) = history(&world.gate(run, "review").unwrap());
    assert_eq!(reassignments, [("user:usr_zoe".to_owned(), 0), ("user:usr_eve".to_owned(), 1_200)]);
}
