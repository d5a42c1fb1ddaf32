//! Runs take random ways, the stream is read in batches of random size and sometimes twice, and calls fail: every change of status arrives
//! once, as what it was.

use std::collections::{BTreeMap, BTreeSet};

use domain::gate::Verdict;
use domain::ports::Entropy;
use domain::run::RunStatus;
use domain::webhook::DeliveryStatus;
use serde_json::{Value, json};
use testkit::build::{actor, approve, canonical, gate, llm, reject, spec, task};
use testkit::{Fate, Reply, SeededEntropy};

use crate::stack::Stack;

struct Chance(SeededEntropy);

impl Chance {
    fn below(&self, bound: usize) -> usize {
        usize::try_from(self.0.random() >> 100).unwrap() % bound
    }

    fn one_in(&self, number: usize) -> bool {
        self.below(number) == 0
    }
}

fn flows() -> Vec<Value> {
    let emit = |id: &str| json!({"id": id, "type": "webhook_emit", "event": format!("told.{id}"), "data": "${run.id}"});
    let retried = json!({"retry": {"maxAttempts": 3, "initialDelaySeconds": 20}});
    vec![
        canonical(),
        spec(
            &[emit("tell"), llm("draft", retried.clone()), gate("review", json!({"onReject": "route_to:no"})), emit("yes"), emit("no")],
            "tell>draft draft>review review>yes",
        ),
        spec(
            &[
                task("start", json!({})),
                gate("left", json!({"escalate": [{"afterHours": 0.2, "to": "user:usr_ada"}], "remind": [{"beforeHours": 0.5}]})),
                gate("right", json!({"requiredApprovals": 2})),
                emit("done"),
            ],
            "start>left start>right left>done right>done",
        ),
        spec(
            &[
                task("start", json!({})),
                llm("a", retried.clone()),
                llm("b", json!({"onError": "route_to:sorry"})),
                emit("sorry"),
                task("end", retried),
            ],
            "start>a start>b a>end b>end",
        ),
    ]
}

/// Drives two runs from their start to their ends.
fn walk(stack: &Stack, chance: &Chance) {
    let begun = [stack.deployment.start(json!({"ticket": 1})), stack.deployment.start(json!({"ticket": 2}))];
    for name in ["draft", "a", "b", "start", "end", "pay"] {
        for _ in 0..chance.below(4) {
            stack.deployment.effects.answer(name, if chance.one_in(3) { Reply::refused() } else { Reply::unavailable() });
        }
    }
    for run in begun {
        for _ in 0..200 {
            stack.deployment.play();
            if stack.deployment.run(run).has_ended() {
                break;
            }
            let node = ["", "left", "right", "review"][chance.below(4)];
            let person = actor(["usr_ada", "usr_grace"][chance.below(2)]);
            // It may be refused.
            match chance.below(9) {
                0 => _ = stack.deployment.cancel(run, "by chance"),
                1 => _ = stack.deployment.decide(run, node, &person, reject("by chance")),
                2..=6 => _ = stack.deployment.decide(run, node, &person, approve()),
                _ => stack.deployment.pass_time(run),
            }
        }
        stack.deployment.play_to_end(run);
    }
}

/// Returns the events that are expected, given what is stored in the end.
fn expected(stack: &Stack) -> BTreeMap<String, usize> {
    let mut events = BTreeMap::new();
    let mut tell = |name: String, times: usize| *events.entry(name).or_insert(0) += times;
    for run in stack.deployment.store.all_runs() {
        tell("flow.run.started".to_owned(), 1);
        assert!(matches!(run.status, RunStatus::Succeeded | RunStatus::Failed | RunStatus::Cancelled));
        tell(format!("flow.run.{}", run.status), 1);
        let ours = stack.deployment.effects.sent().into_iter().filter(|sent| sent.context.trace_id == run.trace_id);
        let generations: BTreeSet<String> =
            ours.filter(|sent| matches!(sent.request, domain::request::Request::Llm(_))).map(|sent| sent.name).collect();
        tell("generation.started".to_owned(), generations.len());
        for node in ["draft", "a", "b", "tell", "yes", "no", "done", "sorry"] {
            let Some(record) = stack.deployment.record(run.id, node) else { continue };
            match record.kind.as_str() {
                "llm_step" if record.error.is_none() => tell("generation.completed".to_owned(), 1),
                "llm_step" => tell("generation.failed".to_owned(), 1),
                "webhook_emit" => tell(format!("told.{node}"), 1),
                _ => {}
            }
        }
        for node in ["review", "left", "right"] {
            let Some(gate) = stack.deployment.gate(run.id, node) else { continue };
            tell("flow.run.awaiting_approval".to_owned(), 1);
            tell("approval.opened".to_owned(), 1);
            tell("approval.reassigned".to_owned(), gate.reassignments.len());
            tell("approval.reminded".to_owned(), gate.reminders.len());
            let decided = gate.outcome.map(|outcome| outcome.verdict);
            tell("approval.decided".to_owned(), usize::from(matches!(decided, Some(Verdict::Approved | Verdict::Rejected))));
            tell("approval.expired".to_owned(), usize::from(decided == Some(Verdict::Expired)));
        }
    }
    events.retain(|_, times| *times > 0);
    events
}

/// Reads the stream as Lambda does: again from the first record that failed, and sometimes a batch twice.
fn read_stream(stack: &Stack, chance: &Chance) {
    let changes = stack.deployment.store.streamed();
    let mut at = 0;
    while at < changes.len() {
        let batch = &changes[at..changes.len().min(at + 1 + chance.below(20))];
        let outcomes = stack.publish(batch);
        match outcomes.iter().position(|done| !done) {
            Some(first) => at += first,
            None if chance.one_in(5) => {}
            None => at += batch.len(),
        }
    }
}

fn fails_by_chance(seed: u64) -> impl FnMut(&testkit::Call) -> Fate + Send + 'static {
    let chance = Chance(SeededEntropy::new(seed));
    move |_| match chance.below(12) {
        0 => Fate::FailBefore,
        1 => Fate::LoseAnswer,
        2 => Fate::Twice,
        _ => Fate::Pass,
    }
}

#[test]
fn every_change_of_status_arrives_once_as_what_it_was() {
    let flows = flows();
    let mut told = BTreeSet::new();
    for seed in 0..400 {
        let stack = Stack::seeded(&flows[usize::try_from(seed).unwrap() % flows.len()], seed);
        let chance = Chance(SeededEntropy::new(seed ^ 0xe7e7));
        let endpoint = stack.endpoint("https://a.test", &["*"]);
        walk(&stack, &chance);
        stack.deployment.faults.decide(fails_by_chance(seed));
        stack.queue_faults.decide(fails_by_chance(seed + 1));
        read_stream(&stack, &chance);
        stack.deployment.faults.clear();
        stack.queue_faults.clear();
        let mut events = BTreeMap::new();
        for (name, _) in stack.queued().into_values() {
            *events.entry(name).or_insert(0) += 1;
        }
        assert_eq!(events, expected(&stack), "seed {seed}");
        told.extend(events.into_keys());

        stack.deliver_all();
        let deliveries = stack.deliveries(&endpoint);
        assert!(deliveries.iter().all(|delivery| delivery.status == DeliveryStatus::Succeeded), "seed {seed}");
        // One id has one body.
        let mut bodies: BTreeMap<String, String> = BTreeMap::new();
        for request in stack.sender.sent_requests() {
            let id = serde_json::from_str::<Value>(&request.body).unwrap()["id"].to_string();
            assert_eq!(bodies.entry(id).or_insert_with(|| request.body.clone()), &request.body, "seed {seed}");
        }
        assert_eq!(bodies.len(), deliveries.len(), "seed {seed}");
    }
    let all = domain::webhook::names::ALL.into_iter().filter(|name| *name != "webhook.test");
    assert!(all.into_iter().all(|name| told.contains(name)), "the walks lead everywhere: {told:?}");
}
