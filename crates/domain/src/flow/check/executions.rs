//! Which nodes run together: a template that reads nodes of which never all run fails in every run.

use super::nodes;
use crate::flow::exit::Exit;
use crate::flow::node::{Decision, Node, NodeKind, Route};
use crate::flow::spec::{NodeIx, Spec};
use crate::problem::FieldErrors;
use crate::template::{Expression, Operand};

/// The most executions that are compared. A flow with more ways through it is checked in part, and then only warnings are given.
const MAX_EXECUTIONS: usize = 2_048;

/// One way through the flow: for each node whether it begins, and whether it puts something out.
#[derive(Clone)]
pub(super) struct Execution {
    exits: Vec<Option<Exit>>,
}

impl Execution {
    pub(super) fn begins(&self, ix: NodeIx) -> bool {
        self.exits.get(ix.position()).copied().flatten().is_some()
    }

    fn has_output(&self, ix: NodeIx) -> bool {
        self.exits.get(ix.position()).copied().flatten().is_some_and(|exit| exit != Exit::Error)
    }
}

pub(super) fn check(spec: &Spec, paths: &[String], errors: &mut FieldErrors, warnings: &mut FieldErrors) {
    let (executions, is_complete) = executions(spec);
    for (ix, path) in nodes(spec, paths) {
        let node = spec.node(ix);
        let expressions: Vec<(String, &Expression)> =
            node.kind.expressions().into_iter().filter(|(_, expression)| must_exist(node, expression)).collect();
        let of_node: Vec<&Execution> = executions.iter().filter(|execution| execution.begins(ix)).collect();
        let fails = |execution: &Execution, expression: &Expression| !can_be_read(spec, execution, expression);
        let every_run_fails = is_complete
            && !of_node.is_empty()
            && of_node.iter().all(|execution| expressions.iter().any(|(_, expression)| fails(execution, expression)));
        for (field, expression) in &expressions {
            if !of_node.iter().any(|execution| fails(execution, expression)) {
                continue;
            }
            let path = format!("{path}.{field}");
            if every_run_fails {
                errors.add(path, format!("`${{{expression}}}` can never be read together with the other templates of `{}`: no run executes all the nodes that they name; write alternatives, such as `${{{expression} ?? step.<other>.output}}`", shown(node)));
            } else {
                warnings.add(path, format!("`${{{expression}}}` names a node that is skipped or fails in some runs, and then `{}` fails; write what to use instead, such as `${{{expression} ?? null}}`", shown(node)));
            }
        }
    }
}

fn shown(node: &Node) -> &str {
    if node.id.is_internal() { "output" } else { node.id.as_str() }
}

/// A decision with a default case takes it when its expression cannot be read.
fn must_exist(node: &Node, _: &Expression) -> bool {
    !matches!(&node.kind, NodeKind::Decision(Decision { default_case: Some(_), .. }))
}

fn can_be_read(spec: &Spec, execution: &Execution, expression: &Expression) -> bool {
    expression.operands().iter().any(|operand| match operand {
        Operand::Literal(_) => true,
        Operand::Path(path) => path.node().is_none_or(|node| spec.position(node).is_none_or(|ix| execution.has_output(ix))),
    })
}

/// Returns the ways through a flow, and whether those are all.
pub(super) fn executions(spec: &Spec) -> (Vec<Execution>, bool) {
    let mut found = vec![Execution { exits: vec![None; spec.len()] }];
    let mut is_complete = true;
    for ix in spec.order() {
        let exits = exits(spec.node(ix));
        let mut next = Vec::with_capacity(found.len());
        for execution in found {
            let is_taken = |edge: &crate::flow::spec::Edge| execution.exits.get(edge.from.position()).copied().flatten() == Some(edge.exit);
            if ix != spec.start() && !spec.incoming(ix).iter().any(is_taken) {
                next.push(execution);
                continue;
            }
            for exit in &exits {
                let mut execution = execution.clone();
                if let Some(slot) = execution.exits.get_mut(ix.position()) {
                    *slot = Some(*exit);
                }
                next.push(execution);
            }
        }
        is_complete &= next.len() <= MAX_EXECUTIONS;
        next.truncate(MAX_EXECUTIONS);
        found = next;
    }
    (found, is_complete)
}

/// Returns the exits of a node by which a run goes on.
fn exits(node: &Node) -> Vec<Exit> {
    let mut exits = match &node.kind {
        NodeKind::Decision(decision) => (0..decision.cases.len()).map(Exit::case).collect(),
        _ => vec![Exit::Normal],
    };
    let mut add = |route: &Route, exit| exits.extend(matches!(route, Route::To(_)).then_some(exit));
    add(&node.on_error, Exit::Error);
    if let NodeKind::Approval(gate) = &node.kind {
        add(&gate.on_reject, Exit::Rejected);
        add(&gate.on_timeout, Exit::Expired);
    }
    exits
}
