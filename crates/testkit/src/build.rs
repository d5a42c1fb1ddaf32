//! Builders of flows, runs, actors and keys for tests.

use std::collections::BTreeMap;

use domain::access::{
    ADMIN_TOOL, Actor, ApiKey, Caller, Environment, Grant, Identity, KeyIdentity, Login, OwnLimits, RecordedActor, Secret,
};
use domain::connection::{Carrier, Connection, ConnectionKey};
use domain::flow::{Flow, FlowStatus, FlowTrigger, Spec, Version};
use domain::gate::{Action, Ballot, Basis, Gate};
use domain::id::{ApprovalId, ConnectionId, FlowId, KeyId, OrgId, RunId};
use domain::ports::Entropy;
use domain::run::{Exit, NewRun, NodeStatus, Run, Trigger};
use domain::secret::Sealed;
use domain::step::{Payload, ResponseHead, StepRecord};
use domain::time::Time;
use serde_json::{Map, Value, json};

use crate::SeededEntropy;

const BEGIN_MILLIS: u64 = 1_767_225_600_000;

/// Returns the time `seconds` after 2026-01-01T00:00:00Z, when tests begin.
pub fn at(seconds: u64) -> Time {
    Time::from_millis(BEGIN_MILLIS).plus_seconds(seconds)
}

/// Adds fields to a JSON object, or replaces them, and returns it.
pub fn with(mut node: Value, extra: Value) -> Value {
    if let (Some(node), Value::Object(extra)) = (node.as_object_mut(), extra) {
        node.extend(extra);
    }
    node
}

/// Returns an `http_request` to `https://service.test/<id>`.
pub fn task(id: &str, extra: Value) -> Value {
    with(json!({"id": id, "type": "http_request", "url": format!("https://service.test/{id}")}), extra)
}

/// Returns a `service_call` of `custom:echo` at `/<id>`.
pub fn service(id: &str, extra: Value) -> Value {
    with(json!({"id": id, "type": "service_call", "service": "custom:echo", "method": "POST", "path": format!("/{id}")}), extra)
}

/// Returns an `llm_step` whose model is called `<id>`.
pub fn llm(id: &str, extra: Value) -> Value {
    with(json!({"id": id, "type": "llm_step", "model": id, "userPrompt": "Say something."}), extra)
}

/// Returns a `human_approval` that stays open for an hour.
pub fn gate(id: &str, extra: Value) -> Value {
    with(json!({"id": id, "type": "human_approval", "actionLabel": "Pay", "proposedAction": {"amount": 1}, "timeoutHours": 1}), extra)
}

/// Returns a position for a node: that of `n1`, `n2` and so on in a chain, and for other names one that the name alone decides.
fn position(node: &str) -> usize {
    node.trim_start_matches('n').parse().unwrap_or_else(|_| 128 + node.bytes().map(usize::from).sum::<usize>() % 100)
}

/// Returns a `decision` on `trigger.choice`, with its cases as `(case, next)`.
pub fn decision(id: &str, cases: &[(&str, &str)]) -> Value {
    let cases: Map<_, _> = cases.iter().map(|(case, next)| ((*case).to_owned(), json!({"next": next}))).collect();
    json!({"id": id, "type": "decision", "expression": "trigger.choice", "cases": cases})
}

/// Returns a `transform`.
pub fn transform(id: &str, output: &Value) -> Value {
    with(json!({"id": id, "type": "transform"}), json!({"output": output}))
}

/// Returns a spec that starts at its first node. Edges are written `a>b`, or `d>b:case` after a decision.
pub fn spec(nodes: &[Value], edges: &str) -> Value {
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
    json!({"startNodeId": nodes[0]["id"], "nodes": nodes, "edges": edges})
}

/// Returns a chain of `length` tasks, `n1` to `n<length>`.
pub fn chain(length: usize) -> Value {
    let nodes: Vec<Value> = (1..=length).map(|at| task(&format!("n{at}"), json!({}))).collect();
    let edges: Vec<String> = (1..length).map(|at| format!("n{at}>n{}", at + 1)).collect();
    spec(&nodes, &edges.join(" "))
}

/// Returns the canonical flow: a model drafts an action, a person approves it, a service executes what was decided.
pub fn canonical() -> Value {
    spec(
        &[
            llm("draft", json!({"userPrompt": "Draft a payment for ${trigger.ticket}."})),
            gate("review", json!({"proposedAction": "${step.draft.output.parsed}"})),
            service("pay", json!({"body": "${step.review.output.proposedAction}"})),
        ],
        "draft>review review>pay",
    )
}

/// Returns an actor without roles or teams, who has a key.
pub fn actor(id: &str) -> Actor {
    actor_in(id, &[], &[])
}

/// Returns an actor with roles and teams, who has a key.
pub fn actor_in(id: &str, roles: &[&str], teams: &[&str]) -> Actor {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Actor {
        id: id.to_owned(),
        roles: names(roles),
        teams: names(teams),
        principals: names(&[id]),
        identity: key_identity(KeyId::new(at(0), 1), "A key", ADMIN_TOOL),
    }
}

/// Returns an actor without roles or teams, who has signed in.
pub fn person(id: &str) -> Actor {
    let login = Login {
        name: Some(format!("The person {id}")),
        mail: Some(format!("{id}@example.org")),
        issuer: "https://login.example.org".to_owned(),
        subject: id.to_owned(),
        authenticated_at: at(0),
        amr: vec!["pwd".to_owned()],
    };
    Actor { identity: Identity::Login(login), ..actor(id) }
}

fn key_identity(key_id: KeyId, name: &str, created_by: &str) -> Identity {
    Identity::ApiKey(KeyIdentity { key_id, key_name: name.to_owned(), key_created_by: created_by.to_owned() })
}

/// Returns the key with an actor whose identity and principals are those that follow from its other fields.
pub fn as_itself(key: ApiKey) -> ApiKey {
    let identity = key_identity(key.id, &key.name, &key.created_by);
    let principals = Actor::principals_of_key(&key.actor.id, &key.created_by);
    ApiKey { actor: Actor { identity, principals, ..key.actor }, ..key }
}

/// Returns the caller who has sent `key`.
pub fn caller(key: ApiKey) -> Caller {
    Caller::of_key(key, &Secret::new(Environment::Sandbox, [1, 2]))
}

/// Returns an approval.
pub fn approve() -> Ballot {
    Ballot::Approve { action: None, note: None }
}

/// Returns an approval of another action than the proposed one.
pub fn approve_as(action: Value) -> Ballot {
    Ballot::Approve { action: Some(Action::new(action).unwrap()), note: None }
}

/// Returns a rejection.
pub fn reject(note: &str) -> Ballot {
    Ballot::Reject { note: Some(note.to_owned()) }
}

/// Returns the record of an `http_request` of a run that succeeded with this output. Tests that need another record change its fields, so
/// that a new field of a record is added here alone.
pub fn step(run: &Run, node: &str, output: Value) -> StepRecord {
    StepRecord {
        run: run.id,
        node: node.parse().unwrap(),
        round: run.round_of(&node.parse().unwrap()),
        kind: "http_request".to_owned(),
        status: NodeStatus::Succeeded,
        exit: Exit::Normal,
        input: Some(Payload::of(json!({"url": "https://service.test/"}))),
        output: Some(Payload::of(output)),
        answer: Some(ResponseHead { status: 200, headers: json!({"content-type": "application/json"}) }),
        error: None,
        attempts: 1,
        started_at: at(1),
        completed_at: at(2),
        reused_from: None,
        purged: None,
    }
}

/// Makes values that differ from each other, and that are the same for the same seed.
#[derive(Debug, Clone)]
pub struct Maker {
    entropy: SeededEntropy,
}

impl Maker {
    /// Returns a maker whose values follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { entropy: SeededEntropy::new(seed) }
    }

    /// Returns the source of its randomness.
    pub fn entropy(&self) -> &SeededEntropy {
        &self.entropy
    }

    /// Returns the id of an organisation.
    pub fn org(&self) -> OrgId {
        OrgId::new(at(0), self.entropy.random())
    }

    /// Returns the id of a flow.
    pub fn flow_id(&self) -> FlowId {
        FlowId::new(at(0), self.entropy.random())
    }

    /// Returns an active flow and its first version.
    pub fn flow(&self, org: OrgId, slug: &str, spec: Value, now: Time) -> (Flow, Version) {
        let id = FlowId::new(now, self.entropy.random());
        let flow = Flow {
            id,
            org,
            slug: slug.parse().unwrap(),
            name: format!("Flow {slug}"),
            description: "What it is for".to_owned(),
            status: FlowStatus::Active,
            trigger: FlowTrigger::Api,
            version: 1,
            created_at: now,
            updated_at: now,
            updated_by: None,
            trigger_changed_by: None,
        };
        let (slug, name) = (flow.slug.clone(), flow.name.clone());
        let version = Version { flow: id, org, number: 1, slug, name, spec, created_at: now, created_by: None };
        (flow, version)
    }

    /// Returns a run of `spec` that has not begun.
    pub fn run(&self, org: OrgId, flow: FlowId, spec: &Value, now: Time) -> Run {
        let new = NewRun {
            id: RunId::fresh(now, self.entropy.random()),
            org,
            flow,
            flow_slug: "flow".parse().unwrap(),
            flow_label: None,
            flow_version: 1,
            trigger: Trigger::Manual,
            started_by: RecordedActor::named("usr_starter"),
            trigger_changers: std::collections::BTreeSet::new(),
            retried: None,
            trace_id: format!("{:032x}", self.entropy.random()),
        };
        Run::new(new, &Spec::parse(spec).unwrap(), now)
    }

    /// Returns an open gate of a run at `node`.
    pub fn gate(&self, run: &Run, node: &str, now: Time) -> Gate {
        Gate {
            // An id that leads to the run if the id of the run has room for it, as the engine makes it.
            id: ApprovalId::of_run(&run.id, position(node), run.round_of(&node.parse().unwrap()))
                .unwrap_or_else(|| ApprovalId::derived(&run.id, node, now)),
            run: run.id,
            node: node.parse().unwrap(),
            org: run.org,
            flow: run.flow,
            action_label: "Pay".to_owned(),
            proposed_action: Payload::of(json!({"amount": 1})),
            data: None,
            assign_to: None,
            opened_at: now,
            deadline: now.plus_seconds(3_600),
            votes: Vec::new(),
            edited: None,
            outcome: None,
            changes: None,
            closed_at: None,
            reused_from: None,
            basis: Basis {
                flow_version: Some(run.flow_version),
                base_urls: Some(BTreeMap::new()),
                round: run.round_of(&node.parse().unwrap()),
                ..Basis::default()
            },
            reassignments: Vec::new(),
            reminders: Vec::new(),
        }
    }

    /// Returns a connection with a key that no vault can open.
    pub fn connection(&self, slug: &str, now: Time) -> Connection {
        let key = ConnectionKey {
            sealed: Sealed::from_text("sealed"),
            hash: "hmac-sha256:0123456789abcdef".to_owned(),
            carrier: Carrier::default(),
        };
        Connection {
            id: ConnectionId::new(now, self.entropy.random()),
            slug: slug.parse().unwrap(),
            base_url: "https://service.test/v1".to_owned(),
            health_path: None,
            key: Some(key),
            active: true,
            last_healthy_at: None,
            last_used_at: None,
            updated_at: now,
        }
    }

    /// Returns a key with these scopes.
    pub fn key(&self, org: OrgId, actor: Actor, scopes: &[&str]) -> ApiKey {
        let grants = scopes.iter().map(|scope| scope.parse::<Grant>().unwrap()).collect();
        as_itself(ApiKey {
            id: KeyId::new(at(0), self.entropy.random()),
            org,
            name: "A key".to_owned(),
            actor,
            grants,
            limits: OwnLimits::default(),
            created_by: ADMIN_TOOL.to_owned(),
            ancestors: Vec::new(),
            valid_until: None,
            revoked: None,
            last_used_at: None,
        })
    }
}
