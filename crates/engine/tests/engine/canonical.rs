//! A model drafts, a person approves, a service executes what was decided.

use domain::gate::Verdict;
use domain::json::sha256_hex;
use domain::ports::RunLists;
use domain::run::{NodeStatus, RunStatus};
use domain::step::{Payload, StepKey, idempotency_key};
use serde_json::json;
use testkit::build::{actor, approve, approve_as, canonical, reject};
use testkit::{Deployment, Reply, Stage, block_on};

fn drafted() -> (Deployment, domain::id::RunId) {
    let world = Deployment::of(&canonical());
    world.effects.answer("draft", Reply::parsed(&json!({"amount": 10, "to": "DE02"})));
    let run = world.start(json!({"ticket": "T-1"}));
    world.play();
    (world, run)
}

#[test]
fn the_service_receives_exactly_what_the_reviewer_made_of_the_draft() {
    let (world, run) = drafted();
    assert_eq!(world.run(run).status, RunStatus::AwaitingApproval);
    assert_eq!(world.gate(run, "review").unwrap().proposed_action, Payload::of(json!({"amount": 10, "to": "DE02"})));

    let edited = json!({"to": "DE02", "amount": 7.5});
    let decided = world.decide(run, "", &actor("usr_ada"), approve_as(edited.clone())).unwrap();
    assert_eq!(decided.gate.outcome.as_ref().unwrap().decided_action, Payload::of(edited.clone()));
    let ended = world.play_to_end(run);

    assert_eq!(ended.status, RunStatus::Succeeded);
    let paid = world.effects.sent_to("pay");
    assert_eq!(paid.len(), 1);
    let outcome = world.gate(run, "review").unwrap().outcome.unwrap();
    assert_eq!(paid[0].body(), Some(&edited));
    assert_eq!(sha256_hex(paid[0].body().unwrap()), outcome.decided_sha256, "the bytes sent are the bytes decided");
    assert_eq!(outcome.proposed_sha256, sha256_hex(&json!({"amount": 10, "to": "DE02"})));
    assert_eq!((outcome.verdict, outcome.actor.as_deref()), (Verdict::Approved, Some("usr_ada")));
    let input = world.record(run, "pay").unwrap().input;
    assert_eq!(input, Some(Payload::of(json!({"service": "custom:echo", "method": "POST", "path": "/pay", "body": edited}))));
}

#[test]
fn without_an_override_the_service_receives_the_draft() {
    let (world, run) = drafted();
    world.decide(run, "review", &actor("usr_ada"), approve()).unwrap();
    world.play_to_end(run);
    assert_eq!(world.effects.sent_to("pay")[0].body(), Some(&json!({"amount": 10, "to": "DE02"})));
}

#[test]
fn every_request_carries_the_trace_and_the_key_of_its_step() {
    let (world, run) = drafted();
    world.decide(run, "", &actor("usr_ada"), approve()).unwrap();
    let ended = world.play_to_end(run);
    for (node, timeout) in [("draft", 120), ("pay", 30)] {
        let sent = &world.effects.sent_to(node)[0];
        let input = sha256_hex(&sent.request.as_input());
        assert_eq!(sent.context.idempotency_key, idempotency_key(&run, &StepKey::new(&node.parse().unwrap(), 1), &input));
        assert_eq!((sent.context.org, &sent.context.trace_id), (ended.org, &ended.trace_id));
        assert_eq!(sent.context.timeout_seconds, timeout);
    }
}

#[test]
fn a_pause_costs_one_more_segment_and_a_run_without_one_costs_one() {
    let (world, run) = drafted();
    world.decide(run, "", &actor("usr_ada"), approve()).unwrap();
    world.play_to_end(run);
    let names: Vec<String> = world.executions.all().into_iter().map(|execution| execution.name).collect();
    assert_eq!(names, [format!("{run}-1"), format!("{run}-2")]);

    let world = Deployment::of(&testkit::build::chain(40));
    let run = world.start(json!({}));
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    assert_eq!(world.executions.all().len(), 1);
    assert_eq!(world.effects.sent().len(), 40);
}

#[test]
fn a_parked_run_owes_nothing_and_waits_for_its_gate() {
    let (world, run) = drafted();
    let parked = world.run(run);
    let execution = world.executions.find(&parked.execution_name()).unwrap();
    assert_eq!(execution.wait_seconds, Some(3_600));
    assert!(matches!(execution.stage, Stage::Parked(_)));
    assert_eq!((parked.execution.token, parked.execution.pending, parked.execution.owner), (Some(execution.token()), None, None));
    assert_eq!(block_on(&world.clock, world.store.with_pending_effects()).unwrap(), []);
}

#[test]
fn a_decision_rings_the_bell_once_and_the_segment_reads_it_from_the_store() {
    let (world, run) = drafted();
    let token = world.run(run).execution.token.unwrap();
    world.decide(run, "", &actor("usr_ada"), approve()).unwrap();
    assert_eq!(world.executions.resumes(&token), 1);
    world.play_to_end(run);
    assert_eq!(world.executions.resumes(&token), 1);
}

#[test]
fn a_decision_that_comes_before_park_is_not_lost() {
    let world = Deployment::of(&canonical());
    world.effects.answer("draft", Reply::parsed(&json!({"amount": 10})));
    let run = world.start(json!({"ticket": "T-1"}));
    // Only the first segment: the second has been started and has not come to Park.
    assert!(world.step(&world.executions.all()[0]));
    assert_eq!(world.executions.all()[1].stage, Stage::BeforePark);
    world.decide(run, "", &actor("usr_ada"), approve_as(json!({"amount": 3}))).unwrap();
    world.play();
    assert_eq!(world.run(run).status, RunStatus::Succeeded, "without a resume, and without a wait");
    assert_eq!(world.effects.sent_to("pay")[0].body(), Some(&json!({"amount": 3})));
}

#[test]
fn a_rejection_ends_the_run_when_the_policy_is_fail() {
    let (world, run) = drafted();
    world.decide(run, "", &actor("usr_ada"), reject("too much")).unwrap();
    let ended = world.play_to_end(run);
    assert_eq!(ended.status, RunStatus::Failed);
    let error = ended.error.unwrap();
    assert_eq!((error.node.as_deref(), error.message.as_str()), (Some("review"), "rejected by usr_ada: too much"));
    assert_eq!((world.node(run, "review").status, world.node(run, "pay").status), (NodeStatus::Failed, NodeStatus::Cancelled));
    assert!(world.effects.sent_to("pay").is_empty());
}
