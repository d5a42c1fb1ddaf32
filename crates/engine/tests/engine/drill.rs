//! A drill: the table is restored to a copy that was made in the middle of load. Whatever was under way then ends, or waits for a person or a
//! clock, and the promises hold.

use domain::error::ApplicationError;
use domain::gate::{DecisionTarget, Verdict};
use domain::id::{OrgId, RunId};
use domain::json::sha256_hex;
use domain::ports::{Clock, Entropy};
use domain::run::{NodeStatus, RunStatus, STUCK_AFTER_SECONDS};
use serde_json::{Value, json};
use testkit::build::{actor, approve, approve_as, gate, service, spec, task, transform};
use testkit::{Deployment, Fate, block_on};

/// The number of runs.
const RUNS: usize = 60;
/// How long a run may take to come to rest once everything works, in seconds.
const BOUND: u64 = 12 * (900 + STUCK_AFTER_SECONDS + 600);

/// A request, two gates side by side, a wait that is parked, a second review, and a payment of what was decided.
fn reviewed_twice() -> Value {
    let wait = json!({"id": "pause", "type": "wait", "seconds": 60});
    let nodes = [
        transform("start", &json!(1)),
        task("draft", json!({})),
        gate("left", json!({"proposedAction": {"ticket": "${trigger.ticket}"}})),
        gate("right", json!({})),
        wait,
        gate("last", json!({"proposedAction": "${step.left.output.proposedAction}"})),
        service("pay", json!({"body": "${step.last.output.proposedAction}"})),
    ];
    spec(&nodes, "start>draft draft>left draft>right left>pause right>pause pause>last last>pay")
}

/// Lets the load go on: executions move by a state, and people decide, some of them with an edit.
fn go_on(deployment: &Deployment, runs: &[RunId], rounds: usize) {
    for round in 0..rounds {
        for execution in deployment.executions.all() {
            if !deployment.entropy.random().is_multiple_of(3) {
                deployment.step(&execution);
            }
        }
        for run in runs {
            let node = ["left", "right", "last"][(deployment.entropy.random() % 3) as usize];
            if deployment.entropy.random().is_multiple_of(4) {
                let ballot = if round % 2 == 0 { approve() } else { approve_as(json!({"round": round})) };
                let target = DecisionTarget::at(node.parse().unwrap());
                _ = deployment.call(deployment.engine.decide(&deployment.org, run, &target, &actor("usr_ada"), ballot));
            }
        }
        deployment.clock.advance(5);
    }
}

/// Kills processes, and lets calls fail, now and then.
fn trouble(deployment: &Deployment) {
    let entropy = deployment.entropy.clone();
    deployment.faults.decide(move |_| match entropy.random() % 60 {
        0 => Fate::CrashBefore,
        1 => Fate::CrashAfter,
        2 => Fate::FailBefore,
        3 => Fate::LoseAnswer,
        _ => Fate::Pass,
    });
}

fn assert_promises(deployment: &Deployment, run: RunId) {
    let stored = deployment.run(run);
    let node = |name: &str| deployment.node(run, name).status;
    // I1: what has begun has everything before it done.
    for (before, after) in
        [("draft", "left"), ("draft", "right"), ("left", "pause"), ("right", "pause"), ("pause", "last"), ("last", "pay")]
    {
        let has_begun = deployment.node(run, after).attempts > 0 || node(after) == NodeStatus::Succeeded;
        assert!(!has_begun || node(before) == NodeStatus::Succeeded, "I1: {after} has begun before {before} was done");
    }
    // I3 and I4: what is decided is on record once, and a run that has ended has no open gate.
    for name in ["left", "right", "last"] {
        let Some(gate) = deployment.gate(run, name) else { continue };
        assert!(!(stored.has_ended() && gate.is_open()), "I4: {name} of {run} is open, and its run has ended");
        assert_eq!(gate.outcome.is_some(), node(name) == NodeStatus::Succeeded || node(name) == NodeStatus::Failed, "I3: {name} of {run}");
    }
    // I5: what counts as paid is what was decided. I6: whatever was sent again had its key.
    if node("pay") == NodeStatus::Succeeded {
        let decided = deployment.gate(run, "last").unwrap().outcome.unwrap();
        assert_eq!(decided.verdict, Verdict::Approved);
        let input = deployment.record(run, "pay").unwrap().input.unwrap();
        assert_eq!(sha256_hex(&input.value().unwrap()["body"]), decided.decided_sha256, "I5: {run}");
    }
    // I8: to another organisation it does not exist.
    let stranger = OrgId::new(deployment.clock.now(), deployment.entropy.random());
    let theirs = block_on(&deployment.clock, deployment.engine.cancel(&stranger, &run, &actor("usr_eve"), None));
    assert!(matches!(theirs, Err(ApplicationError::NotFound(_))), "I8: {theirs:?}");
}

#[test]
fn a_table_that_is_restored_in_the_middle_of_load_strands_no_run() {
    let deployment = Deployment::seeded(&reviewed_twice(), 7);
    let runs: Vec<RunId> = (0..RUNS).map(|at| deployment.start(json!({"ticket": format!("T-{at}")}))).collect();
    trouble(&deployment);
    go_on(&deployment, &runs, 12);
    let copy = deployment.store.copy();
    go_on(&deployment, &runs, 25);
    for run in &runs[..6] {
        _ = deployment.call(deployment.engine.cancel(&deployment.org, run, &actor("usr_ada"), None));
    }
    let lost = runs.iter().filter(|run| deployment.run(**run).rev != copy.stored_run(run).unwrap().rev).count();
    let under_way = runs.iter().filter(|run| !copy.stored_run(run).unwrap().has_ended()).count();
    assert!(lost > RUNS / 2 && under_way > RUNS / 2, "the copy is from the middle of the load: {lost} changed, {under_way} under way");

    deployment.faults.clear();
    deployment.store.restore(&copy);
    let mut rested = Vec::new();
    for run in &runs {
        rested.push(deployment.play_to_rest(*run, BOUND).status);
        assert_promises(&deployment, *run);
    }
    assert!(rested.contains(&RunStatus::AwaitingApproval), "{rested:?}");

    // Whoever still waits is decided, and everything goes on.
    for _ in 0..4 {
        for run in &runs {
            for node in ["left", "right", "last"] {
                if deployment.gate(*run, node).is_some_and(|gate| gate.is_open()) {
                    _ = deployment.decide(*run, node, &actor("usr_bob"), approve());
                }
            }
            deployment.play_to_rest(*run, BOUND);
        }
        deployment.clock.advance(60);
    }
    for run in &runs {
        let ended = deployment.rest_to_end(*run, BOUND);
        assert!(ended.has_ended(), "I4: {ended:?}");
        assert_promises(&deployment, *run);
    }
    // I6: a step that was sent in both lives of the table had the same key both times, unless something else was decided in the second.
    for sent in deployment.effects.sent() {
        let key = &sent.context.idempotency_key;
        for other in deployment.effects.sent().iter().filter(|other| other.context.idempotency_key == *key) {
            assert_eq!(other.request, sent.request, "I6: {key} stands for two requests");
        }
    }
}
