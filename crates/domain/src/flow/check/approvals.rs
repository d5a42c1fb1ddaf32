//! Steps that have an effect after an approval: what is executed should be what is approved.

use super::nodes;
use crate::flow::exit::Exit;
use crate::flow::node::NodeKind;
use crate::flow::spec::{NodeIx, Spec};
use crate::problem::FieldErrors;

/// Warns where a step with an effect comes after an approval and does not depend on the action that was decided there, and where the same
/// step is executed after a rejection, too. Such flows run; what a reviewer approves is not what they do.
pub(super) fn check(spec: &Spec, paths: &[String], warnings: &mut FieldErrors) {
    let gates: Vec<NodeIx> = spec.order().filter(|ix| matches!(spec.node(*ix).kind, NodeKind::Approval(_))).collect();
    for gate in &gates {
        let id = &spec.node(*gate).id;
        let (approved, rejected) = (spec.reached_by(*gate, Exit::Normal), spec.reached_by(*gate, Exit::Rejected));
        let using = spec.nodes_using_decision(*gate);
        // A later approval covers what reads its own action.
        let covered: Vec<_> =
            gates.iter().filter(|later| approved.contains(later)).map(|later| spec.nodes_using_decision(*later)).collect();
        for (ix, path) in nodes(spec, paths).filter(|(ix, _)| approved.contains(ix) && spec.node(*ix).kind.has_effect()) {
            let node = &spec.node(ix).id;
            if !using.contains(&ix) && !covered.iter().any(|using| using.contains(&ix)) {
                warnings.add(path, format!("`{node}` has an effect and comes after the approval `{id}`, but does not read `step.{id}.output.proposedAction`: what it sends is not what is approved"));
            }
            if rejected.contains(&ix) {
                warnings.add(
                    path,
                    format!("`{node}` has an effect and is executed both after an approval of `{id}` and after its rejection: to reject does not prevent it"),
                );
            }
        }
    }
}
