//! The simulation's own reading of a flow: which ways lead into a node, and which of them was taken, by what is on record.
//! It asks neither the engine nor the domain's plan.

use std::collections::BTreeMap;

use domain::gate::Verdict;
use domain::id::RunId;
use domain::run::NodeStatus;
use domain::step::Payload;
use serde_json::Value;
use testkit::Memory;

/// How a node can be left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    Plain,
    Case(String),
    Error,
    Rejected,
    Expired,
}

/// What is on record of how a node was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// It was not.
    NotYet,
    By(Way),
    /// It was skipped, so by no way at all.
    Skipped,
}

/// A flow, as the simulation reads it.
#[derive(Debug)]
pub struct Reading {
    pub nodes: Vec<String>,
    pub gates: Vec<String>,
    decisions: Vec<String>,
    /// The ways into each node: from which node, left how.
    ways: BTreeMap<String, Vec<(String, Way)>>,
    /// The gate whose action a node sends.
    pub sends_action_of: BTreeMap<String, String>,
    /// The number of rounds that a gate may have; a gate that is not here has one.
    pub rounds: BTreeMap<String, u32>,
    /// The number of approvals that a gate requires.
    pub approvals: BTreeMap<String, usize>,
}

fn text(value: &Value, field: &str) -> Option<String> {
    value.get(field).and_then(Value::as_str).map(str::to_owned)
}

impl Reading {
    pub fn of(spec: &Value) -> Self {
        let list = |field: &str| spec.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut ways: BTreeMap<String, Vec<(String, Way)>> = BTreeMap::new();
        let (mut nodes, mut gates, mut decisions) = (Vec::new(), Vec::new(), Vec::new());
        let (mut sends_action_of, mut rounds, mut approvals) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for edge in list("edges") {
            let way = text(&edge, "case").map_or(Way::Plain, Way::Case);
            ways.entry(text(&edge, "to").unwrap()).or_default().push((text(&edge, "from").unwrap(), way));
        }
        for node in list("nodes") {
            let id = text(&node, "id").unwrap();
            for (field, way) in [("onError", Way::Error), ("onReject", Way::Rejected), ("onTimeout", Way::Expired)] {
                if let Some(to) = text(&node, field).and_then(|policy| Some(policy.strip_prefix("route_to:")?.to_owned())) {
                    ways.entry(to).or_default().push((id.clone(), way));
                }
            }
            match text(&node, "type").as_deref() {
                Some("human_approval") => {
                    if let Some(most) = node.pointer("/revise/maxRounds").and_then(Value::as_u64) {
                        rounds.insert(id.clone(), u32::try_from(most).unwrap());
                    }
                    if let Some(needed) = node.get("requiredApprovals").and_then(Value::as_u64) {
                        approvals.insert(id.clone(), usize::try_from(needed).unwrap());
                    }
                    gates.push(id.clone());
                }
                Some("decision") => decisions.push(id.clone()),
                _ => {}
            }
            if let Some(gate) = text(&node, "body").and_then(|body| Some(body.strip_prefix("${step.")?.split_once('.')?.0.to_owned())) {
                sends_action_of.insert(id.clone(), gate);
            }
            nodes.push(id);
        }
        Self { nodes, gates, decisions, ways, sends_action_of, rounds, approvals }
    }

    /// The ways into a node.
    pub fn ways_into(&self, node: &str) -> &[(String, Way)] {
        self.ways.get(node).map_or(&[], Vec::as_slice)
    }

    /// How a node was left. Its record says so, or its gate; its place in the run's progress alone is not believed.
    pub fn left(&self, store: &Memory, run: RunId, node: &str, status: NodeStatus) -> Left {
        let way = if self.gates.iter().any(|gate| gate == node) {
            store.stored_gate(&run, node).and_then(|gate| gate.outcome).map(|outcome| match outcome.verdict {
                Verdict::Approved => Way::Plain,
                Verdict::Rejected => Way::Rejected,
                Verdict::Expired => Way::Expired,
            })
        } else {
            store.stored_step(&run, node).map(|record| match (record.status, record.output) {
                (NodeStatus::Succeeded, Some(Payload::Inline(output))) if self.decisions.iter().any(|decision| decision == node) => {
                    Way::Case(text(&output, "selected").unwrap())
                }
                (NodeStatus::Succeeded, _) => Way::Plain,
                _ => Way::Error,
            })
        };
        match way {
            Some(way) => Left::By(way),
            None if status == NodeStatus::Skipped => Left::Skipped,
            None => Left::NotYet,
        }
    }
}
