//! Flows out of plans: all node types, branches, joins, routes, retries, waits.

use domain::flow::Spec;
use serde_json::{Map, Value, json};
use testkit::build::{gate, llm, service, task, transform, with};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Transform,
    Http,
    Service,
    Llm,
    Gate,
    Sink,
    Wait,
    Decision,
    Emit,
}

/// A node before it has a place. Other nodes are named by how far away they are, so that a node that is left out leaves the
/// others as they were.
#[derive(Debug, Clone)]
pub struct NodePlan {
    pub kind: Kind,
    /// The node before it: this number of nodes back, and one more.
    pub parent: u8,
    /// Another one.
    pub second: Option<u8>,
    /// Where its policies lead, if not to `fail`: this number of nodes on, and one more.
    pub on_error: Option<u8>,
    pub on_reject: Option<u8>,
    pub on_timeout: Option<u8>,
    pub attempts: u64,
    pub delay: u64,
    pub timeout: u64,
    pub approvals: u64,
    pub wait: u64,
    /// Whether a reviewer may send a gate back to the nearest `llm_step` before it, and for how many rounds.
    pub rounds: Option<u64>,
}

fn name(at: usize) -> String {
    format!("n{at}")
}

/// The flow of these nodes, `n0` first; every node hangs on one or two before it.
pub fn flow(plans: &[NodePlan]) -> Value {
    let parents: Vec<Vec<usize>> = plans.iter().enumerate().map(|(at, plan)| parents(plan, at)).collect();
    let kind = |at: usize| match plans[at].kind {
        // Without a way out it has no cases.
        Kind::Decision if !parents.iter().any(|above| above.contains(&at)) => Kind::Transform,
        kind => kind,
    };
    let mut edges: Vec<Value> = Vec::new();
    for (at, above) in parents.iter().enumerate() {
        for from in above {
            let mut edge = json!({"from": name(*from), "to": name(at)});
            if kind(*from) == Kind::Decision {
                let case = edges.iter().filter(|edge| edge["from"] == json!(name(*from))).count();
                edge = with(edge, json!({"case": format!("c{case}")}));
            }
            edges.push(edge);
        }
    }
    let nodes = plans.iter().enumerate().map(|(at, plan)| {
        let reviewed = parents[at].iter().find(|from| kind(**from) == Kind::Gate);
        node(plan, kind(at), at, plans.len(), reviewed.copied(), &edges)
    });
    with_revisions(json!({"startNodeId": "n0", "nodes": nodes.collect::<Vec<_>>(), "edges": edges}), plans)
}

/// Lets each gate that wants it be sent back to the nearest `llm_step` to which it can be: the flow stays valid.
fn with_revisions(mut spec: Value, plans: &[NodePlan]) -> Value {
    for (gate, plan) in plans.iter().enumerate() {
        let Some(rounds) = plan.rounds.filter(|_| spec["nodes"][gate]["type"] == "human_approval") else { continue };
        for draft in (0..gate).rev().filter(|at| spec["nodes"][*at]["type"] == "llm_step").collect::<Vec<_>>() {
            let mut revised = spec.clone();
            revised["nodes"][gate]["revise"] = json!({"node": name(draft), "maxRounds": rounds});
            if Spec::parse(&revised).is_ok() {
                spec = revised;
                break;
            }
        }
    }
    spec
}

fn parents(plan: &NodePlan, at: usize) -> Vec<usize> {
    let back = |by: u8| at.checked_sub(1).map(|last| last.saturating_sub(usize::from(by)));
    let first = back(plan.parent);
    let second = plan.second.and_then(back).filter(|second| Some(*second) != first);
    first.into_iter().chain(second).collect()
}

/// `fail`, or a route to some later node.
fn route(to: Option<u8>, at: usize, count: usize) -> String {
    match to {
        Some(by) if at + 1 < count => format!("route_to:{}", name((at + 1 + usize::from(by)).min(count - 1))),
        _ => "fail".to_owned(),
    }
}

fn node(plan: &NodePlan, kind: Kind, at: usize, count: usize, reviewed: Option<usize>, edges: &[Value]) -> Value {
    let id = name(at);
    // What a reviewer signed off is what is sent.
    let body = reviewed.map_or(json!({"from": id}), |from| json!(format!("${{step.{}.output.proposedAction}}", name(from))));
    let retry = json!({"maxAttempts": plan.attempts, "initialDelaySeconds": plan.delay, "maxDelaySeconds": 60});
    let world = json!({"retry": retry, "onError": route(plan.on_error, at, count), "timeoutSeconds": plan.timeout});
    match kind {
        Kind::Transform => transform(&id, &json!({"at": at})),
        Kind::Http => with(task(&id, json!({"body": body})), world),
        Kind::Service => with(service(&id, json!({"body": body})), world),
        Kind::Llm => with(llm(&id, json!({})), world),
        Kind::Sink => with(json!({"id": id, "type": "http_sink", "url": format!("https://sink.test/{id}"), "body": body}), world),
        Kind::Wait => json!({"id": id, "type": "wait", "seconds": plan.wait}),
        Kind::Emit => json!({"id": id, "type": "webhook_emit", "event": "simulated"}),
        Kind::Gate => {
            let rules = json!({
                "timeoutHours": 0.5,
                "proposedAction": {"text": "${trigger.text}", "at": at},
                "requiredApprovals": plan.approvals,
                "onReject": route(plan.on_reject, at, count),
                "onTimeout": route(plan.on_timeout, at, count),
            });
            let alarms = json!({
                "escalate": [{"afterHours": 0.1, "to": "user:usr_ada"}, {"afterHours": 0.3, "to": "user:usr_bob"}],
                "remind": [{"beforeHours": 0.3}, {"beforeHours": 0.1}],
            });
            gate(&id, if plan.delay % 2 == 1 { with(rules, alarms) } else { rules })
        }
        Kind::Decision => {
            let own = edges.iter().filter(|edge| edge["from"] == json!(id));
            let cases: Map<String, Value> =
                own.filter_map(|edge| Some((edge["case"].as_str()?.to_owned(), json!({"next": edge["to"]})))).collect();
            json!({"id": id, "type": "decision", "expression": "trigger.choice", "cases": cases, "defaultCase": "c0"})
        }
    }
}
