//! Random flows: all node types, branches, joins, routes, retries, waits.

use serde_json::{Value, json};
use testkit::SeededEntropy;
use testkit::build::{gate, llm, service, task, transform, with};

/// A flow of 2 to 9 nodes, `n0` first; every node hangs on one or two before it.
pub fn random(chance: &SeededEntropy) -> Value {
    let count = 2 + small(chance, 8);
    let parents: Vec<Vec<usize>> = (0..count).map(|at| parents(chance, at)).collect();
    let has_children = |at: usize| parents.iter().any(|above| above.contains(&at));
    let kinds: Vec<u64> = (0..count).map(|at| if at == 0 { 0 } else { chance.below(9) }).collect();
    let mut nodes = Vec::new();
    let mut edges = Vec::new();
    for (at, above) in parents.iter().enumerate() {
        for from in above {
            let mut edge = json!({"from": name(*from), "to": name(at)});
            if kinds.get(*from) == Some(&DECISION) {
                let case = edges.iter().filter(|edge: &&Value| edge.get("from") == Some(&json!(name(*from)))).count();
                edge = with(edge, json!({"case": format!("c{case}")}));
            }
            edges.push(edge);
        }
    }
    for (at, kind) in kinds.iter().enumerate() {
        let kind = if *kind == DECISION && !has_children(at) { TRANSFORM } else { *kind };
        let reviewed = parents.get(at).into_iter().flatten().find(|from| kinds.get(**from) == Some(&GATE));
        nodes.push(node(chance, at, kind, count, reviewed.copied(), &edges));
    }
    json!({"startNodeId": "n0", "nodes": nodes, "edges": edges})
}

const TRANSFORM: u64 = 3;
const DECISION: u64 = 4;
const GATE: u64 = 5;

fn name(at: usize) -> String {
    format!("n{at}")
}

fn small(chance: &SeededEntropy, bound: u64) -> usize {
    usize::try_from(chance.below(bound)).unwrap_or(0)
}

fn parents(chance: &SeededEntropy, at: usize) -> Vec<usize> {
    if at == 0 {
        return Vec::new();
    }
    let bound = at as u64;
    let mut above = vec![small(chance, bound)];
    let second = small(chance, bound);
    if chance.one_in(2) && !above.contains(&second) {
        above.push(second);
    }
    above
}

/// `fail`, or a route to some later node.
fn route(chance: &SeededEntropy, at: usize, count: usize) -> String {
    if at + 1 < count && chance.one_in(2) {
        let later = at + 1 + small(chance, (count - at - 1) as u64);
        return format!("route_to:{}", name(later));
    }
    "fail".to_owned()
}

fn node(chance: &SeededEntropy, at: usize, kind: u64, count: usize, reviewed: Option<usize>, edges: &[Value]) -> Value {
    let id = name(at);
    // What a reviewer signed off is what is sent.
    let body = reviewed.map_or(json!({"from": id}), |from| json!(format!("${{step.{}.output.proposedAction}}", name(from))));
    let retry = json!({"maxAttempts": 1 + chance.below(3), "initialDelaySeconds": chance.below(30), "maxDelaySeconds": 60});
    let world = json!({"retry": retry, "onError": route(chance, at, count), "timeoutSeconds": 1 + chance.below(50)});
    match kind {
        1 => with(llm(&id, json!({})), world),
        2 | 0 => with(service(&id, json!({"body": body})), world),
        TRANSFORM => transform(&id, &json!({"at": at})),
        DECISION => {
            let own: Vec<&Value> = edges.iter().filter(|edge| edge.get("from") == Some(&json!(id))).collect();
            let cases: serde_json::Map<String, Value> =
                own.iter().filter_map(|edge| Some((edge.get("case")?.as_str()?.to_owned(), json!({"next": edge.get("to")?})))).collect();
            json!({"id": id, "type": "decision", "expression": "trigger.choice", "cases": cases, "defaultCase": "c0"})
        }
        GATE => gate(
            &id,
            json!({"timeoutHours": 0.5, "requiredApprovals": 1 + chance.below(2), "onReject": route(chance, at, count), "onTimeout": route(chance, at, count)}),
        ),
        6 => json!({"id": id, "type": "wait", "seconds": chance.below(60)}),
        7 => with(json!({"id": id, "type": "http_sink", "url": format!("https://sink.test/{id}"), "body": body}), world),
        8 if chance.one_in(2) => json!({"id": id, "type": "webhook_emit", "event": "simulated"}),
        _ => with(task(&id, json!({"body": body})), world),
    }
}
