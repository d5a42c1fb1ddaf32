//! `revise`: that a request for changes can go back to the draft, and what it repeats.

use super::executions::executions;
use super::nodes;
use crate::flow::exit::Exit;
use crate::flow::node::{Approval, NodeKind, Revise};
use crate::flow::revision::Revision;
use crate::flow::spec::{NodeIx, Spec};
use crate::problem::FieldErrors;

/// The methods that change nothing (RFC 9110, section 9.2.1).
const SAFE_METHODS: [&str; 2] = ["GET", "HEAD"];

pub(super) fn check(spec: &Spec, paths: &[String], errors: &mut FieldErrors, warnings: &mut FieldErrors) {
    for (gate, path) in nodes(spec, paths) {
        let NodeKind::Approval(Approval { revise: Some(revise), .. }) = &spec.node(gate).kind else { continue };
        let path = format!("{path}.revise.node");
        match spec.revision(gate) {
            None => errors.add(path, problem(spec, gate, revise)),
            Some(revision) => {
                check_beside(spec, gate, &revision, &path, errors);
                check_repeated(spec, gate, &revision, &path, warnings);
            }
        }
    }
}

/// Returns why a gate cannot go back to the node that its `revise` names.
fn problem(spec: &Spec, gate: NodeIx, revise: &Revise) -> String {
    let (node, gate) = (&revise.node, &spec.node(gate).id);
    match spec.position(node).map(|ix| &spec.node(ix).kind) {
        None => format!("there is no node `{node}`"),
        Some(NodeKind::Llm(_)) => format!("`{node}` is not upstream of `{gate}`, so the approval does not show its draft"),
        Some(kind) => format!("`{node}` is a {}; only the draft of an llm_step can be revised", kind.name()),
    }
}

/// A node that follows the draft without leading to the gate may be done, or be running, when changes are requested. What it has done
/// with the old draft can neither stay nor be repeated. Only one that never runs together with the gate is allowed.
fn check_beside(spec: &Spec, gate: NodeIx, revision: &Revision, path: &str, errors: &mut FieldErrors) {
    if revision.beside.is_empty() {
        return;
    }
    let (executions, is_complete) = executions(spec);
    let draft = &spec.node(revision.draft).id;
    for beside in &revision.beside {
        let node = &spec.node(*beside).id;
        if executions.iter().any(|execution| execution.begins(gate) && execution.begins(*beside)) {
            errors.add(
                path,
                format!(
                    "`{node}` follows `{draft}` and does not lead to `{gate}`: it may have used the draft when changes are requested; add an edge from it to `{gate}`, or let it follow `{gate}`",
                    gate = spec.node(gate).id
                ),
            );
        } else if !is_complete {
            errors.add(
                path,
                format!(
                    "`{node}` follows `{draft}` and does not lead to `{gate}`, and the flow has more ways through it than are compared; add an edge from it to `{gate}`",
                    gate = spec.node(gate).id
                ),
            );
        }
    }
}

/// Warns of effects that each round repeats, and of drafts that get past the gate.
fn check_repeated(spec: &Spec, gate: NodeIx, revision: &Revision, path: &str, warnings: &mut FieldErrors) {
    let gate_id = &spec.node(gate).id;
    for ix in revision.again.iter().filter(|ix| !revision.beside.contains(ix)) {
        let node = &spec.node(*ix).id;
        if let Some(effect) = effect(&spec.node(*ix).kind) {
            warnings.add(
                path,
                format!("`{node}` {effect} in every round, under another Idempotency-Key each time; if that must happen once, let it follow `{gate_id}`"),
            );
        }
    }
    // A draft that fails is no draft that gets past the gate.
    let is_left = |exit: Exit| exit != Exit::Error;
    for ix in &revision.beside {
        if spec.incoming(*ix).iter().any(|edge| is_left(edge.exit) && !revision.beside.contains(&edge.from)) {
            let node = &spec.node(*ix).id;
            warnings.add(
                path,
                format!(
                    "a revised draft may lead to `{node}` instead of `{gate_id}`: then nobody sees what became of the requested changes"
                ),
            );
        }
    }
}

/// Returns in words what a node does to the world; none if it changes nothing there.
fn effect(kind: &NodeKind) -> Option<String> {
    match kind {
        NodeKind::Service(call) => is_unsafe(&call.method).then(|| format!("sends its {}", call.method)),
        NodeKind::Http(call) => is_unsafe(&call.method).then(|| format!("sends its {}", call.method)),
        NodeKind::Sink(_) => Some("sends its POST".to_owned()),
        NodeKind::Emit(_) => Some("emits its event".to_owned()),
        NodeKind::Llm(step) => (!step.tools.is_empty()).then(|| "may call its tools".to_owned()),
        NodeKind::Decision(_) | NodeKind::Transform(_) | NodeKind::Approval(_) | NodeKind::Wait(_) => None,
    }
}

fn is_unsafe(method: &str) -> bool {
    !SAFE_METHODS.contains(&method)
}
