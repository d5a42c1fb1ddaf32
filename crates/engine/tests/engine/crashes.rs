//! A crash, a failure or a lost answer at every call of every port, one after the other: the end is the same, and no run is lost.

use std::collections::BTreeMap;

use domain::gate::DecisionTarget;
use domain::id::RunId;
use domain::json::sha256_hex;
use domain::ports::RunLists;
use domain::run::{NodeStatus, RunStatus};
use domain::step::{StepKey, idempotency_key};
use serde_json::{Value, json};
use testkit::build::{actor, approve_as, canonical, chain, gate, service, spec, task, transform};
use testkit::{Deployment, Fate, Reply, block_on};

/// The end of a run, as a caller can see it.
#[derive(Debug, PartialEq)]
struct End {
    status: RunStatus,
    error: Option<String>,
    nodes: Vec<(String, NodeStatus)>,
    /// What each node was asked to do, without repetitions.
    asked: BTreeMap<String, Option<Value>>,
}

struct Story {
    spec: Value,
    answers: fn(&Deployment),
    /// How many requests may be under way at the same time, and so be repeated by one crash.
    in_flight: usize,
}

/// A story in which one call was struck.
struct Struck {
    /// Which call, and how; for the message of a failed test.
    label: String,
    world: Deployment,
    run: RunId,
}

const FATES: [Fate; 5] = [Fate::FailBefore, Fate::LoseAnswer, Fate::Twice, Fate::CrashBefore, Fate::CrashAfter];

impl Story {
    fn nodes(&self) -> Vec<String> {
        self.spec["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Begins the run, lets everything happen, and approves what has to be approved with an edit.
    fn play(&self, prepare: impl Fn(&Deployment)) -> (Deployment, RunId) {
        let world = Deployment::of(&self.spec);
        (self.answers)(&world);
        let run = world.start(json!({"ticket": "T-1"}));
        prepare(&world);
        for _ in 0..100 {
            world.play();
            let now = world.run(run);
            if now.has_ended() && now.execution.pending.is_none() {
                world.faults.clear();
                return (world, run);
            }
            if now.execution.pending.is_some() || now.progress.with_status(NodeStatus::AwaitingApproval).next().is_none() {
                world.pass_time(run);
                continue;
            }
            // A reviewer whose request fails presses the button again.
            for node in self.nodes() {
                if world.gate(run, &node).is_some_and(|gate| gate.is_open()) {
                    let node: domain::flow::NodeId = node.parse().unwrap();
                    let ballot = approve_as(json!({"edited": true}));
                    _ = world.call(world.engine.decide(&world.org, &run, &DecisionTarget::at(node.clone()), &actor("usr_ada"), ballot));
                }
            }
        }
        panic!("{run} does not come to an end: {:?}", world.run(run));
    }

    /// The story once for each call that it makes after its start, with that call struck by `fate`; the last time, none is left.
    fn struck_by(&self, fate: Fate) -> impl Iterator<Item = Struck> + '_ {
        let mut none_left = false;
        (1..).map_while(move |nth| {
            if none_left {
                return None;
            }
            let (world, run) = self.play(|world| world.faults.strike(nth, fate));
            let calls = world.faults.calls();
            let starting = calls.iter().position(|call| call.name == "start").unwrap() + 1;
            let struck = calls.get(starting + nth - 1);
            none_left = struck.is_none();
            let label = format!("{fate:?} of call {nth} ({:?})", struck.map(|call| call.name));
            Some(Struck { label, world, run })
        })
    }

    fn end(&self, world: &Deployment, run: RunId) -> End {
        let ended = world.run(run);
        End {
            status: ended.status,
            error: ended.error.map(|error| error.message),
            nodes: self.nodes().into_iter().map(|node| (node.clone(), world.node(run, &node).status)).collect(),
            asked: world.effects.sent().into_iter().map(|sent| (sent.name.clone(), sent.body().cloned())).collect(),
        }
    }

    fn survives_everything(&self) {
        let (world, run) = self.play(|_| {});
        let (expected, once) = (self.end(&world, run), world.effects.sent().len());
        for fate in FATES {
            let mut calls = 0;
            for Struck { label, world, run } in self.struck_by(fate) {
                calls += 1;
                assert_eq!(self.end(&world, run), expected, "{label}");
                let sent = world.effects.sent();
                assert!(sent.len() <= once + self.in_flight, "{label}: more was repeated than was in flight: {sent:?}");
                for request in &sent {
                    let input = sha256_hex(&request.request.as_input());
                    let key = idempotency_key(&run, &StepKey::new(&request.name.parse().unwrap(), 1), &input);
                    assert_eq!(request.context.idempotency_key, key, "{label}");
                }
                assert_eq!(block_on(&world.clock, world.store.with_pending_effects()).unwrap(), [], "{label}");
            }
            println!("{fate:?}: {calls} stories");
            assert!(calls > 10);
        }
    }
}

fn nothing(_: &Deployment) {}

#[test]
fn a_chain_survives_everything() {
    // A failed connection is a failed attempt; with three there is one left after any single failure.
    let mut spec = chain(4);
    for node in spec["nodes"].as_array_mut().unwrap() {
        node["retry"] = json!({"maxAttempts": 3, "initialDelaySeconds": 1});
    }
    Story { spec, answers: nothing, in_flight: 1 }.survives_everything();
}

#[test]
fn the_canonical_run_survives_everything() {
    let mut spec = canonical();
    for at in [0, 2] {
        spec["nodes"][at]["retry"] = json!({"maxAttempts": 3, "initialDelaySeconds": 1});
    }
    let answers = |world: &Deployment| {
        world.effects.script(|sent| (sent.name == "draft").then(|| Reply::parsed(&json!({"amount": 10}))));
    };
    Story { spec, answers, in_flight: 1 }.survives_everything();
}

#[test]
fn two_gates_and_two_branches_survive_everything() {
    let retry = json!({"retry": {"maxAttempts": 3, "initialDelaySeconds": 1}});
    let spec = spec(
        &[
            transform("begin", &json!({"from": "${trigger.ticket}"})),
            task("left", retry.clone()),
            task("right", retry.clone()),
            gate("first", json!({})),
            gate("second", json!({})),
            service(
                "pay",
                testkit::build::with(
                    retry,
                    json!({"body": ["${step.first.output.proposedAction}", "${step.second.output.proposedAction}"]}),
                ),
            ),
        ],
        "begin>left begin>right left>first right>second first>pay second>pay",
    );
    Story { spec, answers: nothing, in_flight: 2 }.survives_everything();
}

/// Two branches at work, one of which fails: what a crash cut short must neither keep the run alive nor hide its error.
#[test]
fn a_run_that_fails_in_one_of_two_branches_survives_everything() {
    for (left, right) in [("ok", "bad"), ("bad", "ok")] {
        let retry = |id: &str| task(id, json!({"retry": {"maxAttempts": 3, "initialDelaySeconds": 1}}));
        let spec = spec(
            &[
                transform("begin", &json!(1)),
                retry("left"),
                retry("right"),
                transform(&format!("after-{left}"), &json!("fine")),
                transform(&format!("after-{right}"), &json!("${trigger.is.not.there}")),
            ],
            &format!("begin>left begin>right left>after-{left} right>after-{right}"),
        );
        let answers = |world: &Deployment| {
            world.effects.script(|sent| (sent.name == "left").then(|| Reply::output(json!("slow")).after(2_000)));
        };
        let story = Story { spec, answers, in_flight: 2 };
        for fate in FATES {
            for Struck { label, world, run } in story.struck_by(fate) {
                let end = story.end(&world, run);
                assert_eq!(end.status, RunStatus::Failed, "{label}");
                assert!(end.error.as_ref().is_some_and(|error| error.contains("trigger.is.not.there")), "{label}: {end:?}");
            }
        }
    }
}
