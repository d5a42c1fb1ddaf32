//! What the tests share: short specs, gates to vote on, and a run with its events, node by node.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up should stop at once")]

pub mod dag;
pub mod gates;
pub mod model;
pub mod specs;

use domain::access::{Actor, Identity, KeyIdentity, RecordedActor};
use domain::flow::{NodeIx, NodeKind, Spec};
use domain::gate::Verdict;
use domain::id::{FlowId, KeyId, OrgId, RunId};
use domain::run::{Exit, NewRun, NodeState, NodeStatus, Plan, Run, TransitionError, Trigger};
use domain::time::Time;
use serde_json::{Value, json};

/// When every run of these tests begins, in milliseconds.
pub const BEGIN: u64 = 1_767_225_600_000;
/// How long their gates stay open, in seconds.
pub const GATE_SECONDS: u64 = 3_600;
/// The invocation that drives them, unless a test says otherwise.
pub const OWNER: &str = "inv-1";

/// Returns the time this many seconds after the run began.
pub fn at(seconds: u64) -> Time {
    Time::from_millis(BEGIN).plus_seconds(seconds)
}

/// Returns a node that sends a request; `extra` adds fields or replaces them.
pub fn task(id: &str, extra: Value) -> Value {
    with(json!({"id": id, "type": "http_request", "url": "https://example.com/"}), extra)
}

/// Returns a node that opens a gate.
pub fn gate(id: &str, extra: Value) -> Value {
    with(json!({"id": id, "type": "human_approval", "actionLabel": "Pay", "proposedAction": {"amount": 1}, "timeoutHours": 1}), extra)
}

/// Returns a node that chooses between cases, given as `(case, next)`.
pub fn decision(id: &str, cases: &[(&str, &str)]) -> Value {
    let cases: serde_json::Map<_, _> = cases.iter().map(|(case, next)| ((*case).to_owned(), json!({"next": next}))).collect();
    json!({"id": id, "type": "decision", "expression": "trigger.choice", "cases": cases})
}

fn with(mut node: Value, extra: Value) -> Value {
    if let (Some(node), Value::Object(extra)) = (node.as_object_mut(), extra) {
        node.extend(extra);
    }
    node
}

/// A spec that starts at its first node. Edges are written `a>b`, or `d>b:case` after a decision.
pub fn spec_json(nodes: &[Value], edges: &str) -> Value {
    let edges: Vec<Value> = edges
        .split_whitespace()
        .map(|edge| {
            let (from, to) = edge.split_once('>').unwrap();
            match to.split_once(':') {
                Some((to, case)) => json!({"from": from, "to": to, "case": case}),
                None => json!({"from": from, "to": to}),
            }
        })
        .collect();
    json!({"startNodeId": nodes.first().unwrap()["id"], "nodes": nodes, "edges": edges})
}

/// A run that has not begun.
pub fn new_run(spec: &Spec) -> Run {
    let now = at(0);
    let new = NewRun {
        id: RunId::new(now, 1),
        org: OrgId::new(now, 2),
        flow: FlowId::new(now, 3),
        flow_slug: "flow".parse().unwrap(),
        flow_label: None,
        flow_version: 1,
        trigger: Trigger::Manual,
        started_by: RecordedActor::named("usr_starter"),
        trigger_changers: std::collections::BTreeSet::new(),
        retried: None,
        trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
    };
    Run::new(new, spec, now)
}

/// A run and its events, by the names of its nodes.
#[derive(Clone)]
pub struct Story {
    pub spec: Spec,
    pub run: Run,
    pub now: Time,
}

impl Story {
    /// A run of the spec, taken up by [`OWNER`].
    pub fn of(nodes: &[Value], edges: &str) -> Self {
        Self::of_spec(&spec_json(nodes, edges))
    }

    pub fn of_spec(spec: &Value) -> Self {
        let spec = Spec::parse(spec).unwrap();
        let mut run = new_run(&spec);
        run.claim(OWNER, 1).unwrap();
        Self { run, spec, now: at(0) }
    }

    pub fn ix(&self, node: &str) -> NodeIx {
        self.spec.position(&node.parse().unwrap()).unwrap()
    }

    pub fn state(&self, node: &str) -> NodeState {
        self.run.progress.get(self.ix(node))
    }

    pub fn status(&self, node: &str) -> NodeStatus {
        self.state(node).status
    }

    fn names(&self, nodes: &[NodeIx]) -> String {
        let mut names: Vec<&str> = nodes.iter().map(|ix| self.spec.node(*ix).id.as_str()).collect();
        names.sort_unstable();
        names.join(" ")
    }

    pub fn plan(&self) -> Plan {
        Plan::of(&self.run, &self.spec, self.now)
    }

    /// What may start now, in alphabetical order.
    pub fn ready(&self) -> String {
        self.names(&self.plan().ready)
    }

    /// Open gates whose time is up.
    pub fn overdue(&self) -> String {
        self.names(&self.plan().overdue)
    }

    /// The nodes in a status, in alphabetical order.
    pub fn nodes(&self, status: NodeStatus) -> String {
        self.names(&self.run.progress.with_status(status).collect::<Vec<_>>())
    }

    pub fn skipped(&self) -> String {
        self.nodes(NodeStatus::Skipped)
    }

    pub fn try_start(&mut self, node: &str) -> Result<(), TransitionError> {
        let ix = self.ix(node);
        self.run.start(&self.spec, ix, self.now)
    }

    /// Nodes begin, one after the other.
    pub fn start(&mut self, nodes: &str) -> &mut Self {
        for node in nodes.split_whitespace() {
            self.try_start(node).unwrap();
        }
        self
    }

    pub fn try_leave(&mut self, node: &str, exit: Exit) -> Result<(), TransitionError> {
        let ix = self.ix(node);
        self.run.succeed(&self.spec, ix, exit, self.now)
    }

    /// Nodes that have begun succeed.
    pub fn finish(&mut self, nodes: &str) -> &mut Self {
        for node in nodes.split_whitespace() {
            self.try_leave(node, Exit::Normal).unwrap();
        }
        self
    }

    /// Nodes begin and succeed.
    pub fn run_through(&mut self, nodes: &str) -> &mut Self {
        for node in nodes.split_whitespace() {
            self.start(node).finish(node);
        }
        self
    }

    /// A decision is made.
    pub fn choose(&mut self, node: &str, case: &str) -> &mut Self {
        let NodeKind::Decision(decision) = &self.spec.node(self.ix(node)).kind else { unreachable!("{node} is a decision") };
        let exit = Exit::case(decision.cases.keys().position(|name| name == case).unwrap());
        self.start(node).try_leave(node, exit).unwrap();
        self
    }

    pub fn try_fail(&mut self, node: &str) -> Result<(), TransitionError> {
        let ix = self.ix(node);
        self.run.fail(&self.spec, ix, &format!("{node} broke"), self.now)
    }

    /// A node that has begun fails for good.
    pub fn fail(&mut self, node: &str) -> &mut Self {
        self.try_fail(node).unwrap();
        self
    }

    pub fn try_retry(&mut self, node: &str, due: Time) -> Result<(), TransitionError> {
        let ix = self.ix(node);
        self.run.retry_at(&self.spec, ix, due, self.now)
    }

    /// An attempt fails; the next is due `seconds` after the run began.
    pub fn retry(&mut self, node: &str, seconds: u64) -> &mut Self {
        self.try_retry(node, at(seconds)).unwrap();
        self
    }

    pub fn try_open(&mut self, node: &str) -> Result<(), TransitionError> {
        let ix = self.ix(node);
        self.run.open_gate(&self.spec, ix, self.now.plus_seconds(GATE_SECONDS), self.now)
    }

    /// Gates open.
    pub fn open(&mut self, nodes: &str) -> &mut Self {
        for node in nodes.split_whitespace() {
            self.try_open(node).unwrap();
        }
        self
    }

    pub fn try_decide(&mut self, node: &str, verdict: Verdict) -> Result<(), TransitionError> {
        let ix = self.ix(node);
        self.run.decide(&self.spec, ix, verdict, &format!("{verdict} at {node}"), self.now)
    }

    /// An open gate is decided.
    pub fn decide(&mut self, node: &str, verdict: Verdict) -> &mut Self {
        self.try_decide(node, verdict).unwrap();
        self
    }

    /// The segment ends; the next one begins by waiting, and Park has written its token.
    pub fn park(&mut self, token: &str) -> &mut Self {
        self.run.end_segment(self.plan().wake_at, self.now).unwrap();
        self.run.execution.pending = None;
        self.run.execution.token = Some(token.to_owned());
        self
    }

    /// Sets the time to this many seconds after the run began.
    pub fn wait_until(&mut self, seconds: u64) -> &mut Self {
        self.now = at(seconds);
        self
    }
}

/// Returns an actor with roles and teams, who has a key.
pub fn actor_in(id: &str, roles: &[&str], teams: &[&str]) -> Actor {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyIdentity { key_id: KeyId::new(at(0), 1), key_name: "A key".to_owned(), key_created_by: "runs-admin".to_owned() };
    Actor { id: id.to_owned(), roles: names(roles), teams: names(teams), principals: names(&[id]), identity: Identity::ApiKey(key) }
}
