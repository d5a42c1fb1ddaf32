//! Watches a run and knows what may be: its own reading of the flow, not the engine's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use domain::flow::Spec;
use domain::gate::Outcome;
use domain::id::RunId;
use domain::json::sha256_hex;
use domain::ports::Clock;
use domain::run::{NodeStatus, Plan, Progress, Run, RunStatus};
use domain::step::StepRecord;
use serde_json::Value;
use testkit::{Sent, World};

#[derive(Default)]
struct Notes {
    /// Idempotency-Key by node, and the bodies sent under it.
    keys: BTreeMap<String, (String, Option<Value>, usize)>,
    failures: BTreeMap<String, usize>,
    /// Crashes, lost answers, doubled invocations: each may repeat what was under way.
    disturbances: usize,
    outcomes: BTreeMap<String, Outcome>,
    records: BTreeMap<String, StepRecord>,
    decisions: BTreeMap<String, usize>,
    ended: Option<(RunStatus, Progress)>,
}

/// What has been seen of one run.
#[derive(Clone)]
pub struct Observer {
    run: RunId,
    spec: Arc<Spec>,
    nodes: Vec<String>,
    gates: Vec<String>,
    /// The nodes before each node: by its edges, and by the routes that lead to it.
    above: BTreeMap<String, BTreeSet<String>>,
    /// The gate whose action a node sends.
    sends_action_of: BTreeMap<String, String>,
    notes: Arc<Mutex<Notes>>,
}

impl Observer {
    pub fn new(spec: &Value, run: RunId) -> Self {
        let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
        let list = |field: &str| spec.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut above: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let (mut gates, mut nodes) = (Vec::new(), Vec::new());
        let mut sends_action_of = BTreeMap::new();
        for edge in list("edges") {
            above.entry(text(&edge, "to").unwrap()).or_default().insert(text(&edge, "from").unwrap());
        }
        for node in list("nodes") {
            let id = text(&node, "id").unwrap();
            nodes.push(id.clone());
            for route in ["onError", "onReject", "onTimeout"].into_iter().filter_map(|field| text(&node, field)) {
                if let Some(to) = route.strip_prefix("route_to:") {
                    above.entry(to.to_owned()).or_default().insert(id.clone());
                }
            }
            if text(&node, "type").as_deref() == Some("human_approval") {
                gates.push(id.clone());
            }
            if let Some(gate) = text(&node, "body").and_then(|body| Some(body.strip_prefix("${step.")?.split_once('.')?.0.to_owned())) {
                sends_action_of.insert(id, gate);
            }
        }
        Self { run, spec: Arc::new(Spec::parse(spec).unwrap()), nodes, gates, above, sends_action_of, notes: Arc::default() }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap()
    }

    pub fn gates(&self) -> Vec<String> {
        self.gates.clone()
    }

    pub fn failed(&self, node: &str) {
        *self.notes().failures.entry(node.to_owned()).or_default() += 1;
    }

    pub fn disturbed(&self) {
        self.notes().disturbances += 1;
    }

    pub fn decided(&self, gate: &str) {
        let mut notes = self.notes();
        let times = notes.decisions.entry(gate.to_owned()).or_default();
        *times += 1;
        assert_eq!(*times, 1, "I3: {gate} was decided twice");
    }

    /// A request leaves.
    pub fn sent(&self, world: &World, sent: &Sent) {
        let node = &sent.name;
        let status = |of: &str| world.node(self.run, of).status;
        assert!(!matches!(status(node), NodeStatus::Pending | NodeStatus::Skipped), "I1: {node} was sent while it was {}", status(node));
        let begun = world.node(self.run, node).attempts > 0;
        assert!(begun, "I1, I2: {node} was sent before its start was on record, or after the run had ended");
        if let Some(above) = self.above.get(node) {
            for parent in above {
                assert!(status(parent).is_final(), "I1: {node} was sent while {parent} was {}", status(parent));
            }
            let open = above.iter().any(|parent| matches!(status(parent), NodeStatus::Succeeded | NodeStatus::Failed));
            assert!(open, "I1: no way leads to {node}");
        }
        if let Some(gate) = self.sends_action_of.get(node) {
            let outcome = world.gate(self.run, gate).unwrap().outcome.unwrap();
            assert_eq!(sha256_hex(sent.body().unwrap()), outcome.decided_sha256, "I5: {node} sent something else than was decided");
        }
        let mut notes = self.notes();
        let allowed = 1 + notes.failures.get(node).copied().unwrap_or(0) + notes.disturbances;
        let key = &sent.context.idempotency_key;
        assert!(!notes.keys.iter().any(|(other, known)| other != node && known.0 == *key), "I6: two nodes share {key}");
        let known = notes.keys.entry(node.clone()).or_insert_with(|| (key.clone(), sent.body().cloned(), 0));
        known.2 += 1;
        assert_eq!((&known.0, known.1.as_ref()), (key, sent.body()), "I6: {node} was repeated under another key or with another body");
        assert!(known.2 <= allowed, "I6: {node} was sent {} times, and only {allowed} can be explained", known.2);
    }

    /// What is on record must stay as it is.
    pub fn look(&self, world: &World) {
        let stored = world.run(self.run);
        let mut notes = self.notes();
        for gate in &self.gates {
            let Some(outcome) = world.gate(self.run, gate).and_then(|gate| gate.outcome) else { continue };
            let first = notes.outcomes.entry(gate.clone()).or_insert_with(|| outcome.clone());
            assert_eq!(*first, outcome, "I3: the decision of {gate} has changed");
        }
        for node in &self.nodes {
            let Some(record) = world.record(self.run, node) else { continue };
            let first = notes.records.entry(node.clone()).or_insert_with(|| record.clone());
            assert_eq!(*first, record, "the record of {node} has changed");
        }
        // Nobody drives it and nobody is to wake it: then there must be nothing to do but wait for a person or a clock.
        if !stored.has_ended() && stored.drive.owner.is_none() && stored.drive.owes.is_none() {
            let ready = Plan::of(&stored, &self.spec, world.clock.now()).ready;
            let forgotten = ready.iter().any(|ix| stored.progress.get(*ix).status == NodeStatus::Pending);
            assert!(!forgotten, "I4: a wake-up was lost: {stored:?}");
        }
        if let Some((status, progress)) = &notes.ended {
            assert_eq!((status, progress), (&stored.status, &stored.progress), "I2: a run that had ended has changed");
        } else if stored.has_ended() {
            notes.ended = Some((stored.status, stored.progress));
        }
    }

    pub fn at_the_end(&self, world: &World, run: &Run) {
        assert!(run.progress.states().iter().all(|state| state.status.is_final()), "I4: {run:?} ended with nodes that have not");
        assert!(run.drive.owner.is_none() && run.drive.owes.is_none());
        for gate in &self.gates {
            assert!(world.gate(self.run, gate).is_none_or(|gate| !gate.is_open()), "{gate} is still in the inbox");
        }
        if run.status == RunStatus::Failed {
            assert!(run.error.is_some());
        }
    }
}
