//! Quorums that nobody can reach as long as the approval stays with its assignee.

use super::nodes;
use crate::access::Assignee;
use crate::flow::node::NodeKind;
use crate::flow::quorum::Quorum;
use crate::flow::spec::Spec;
use crate::problem::FieldErrors;

pub(super) fn check(spec: &Spec, paths: &[String], warnings: &mut FieldErrors) {
    for (ix, path) in nodes(spec, paths) {
        let NodeKind::Approval(gate) = &spec.node(ix).kind else { continue };
        let Some(Ok(user @ Assignee::User(_))) = gate.assign_to.as_ref().and_then(|text| text.literal()).map(str::parse) else { continue };
        let required = gate.required_approvals.required();
        let others = match &gate.required_approvals {
            Quorum::From(groups) => groups.iter().any(|places| matches!(&places.from, Assignee::User(_)) && places.from != user),
            Quorum::Of(_) => false,
        };
        if required > 1 || others {
            let problem = format!("cannot be reached: the approval is assigned to `{user}` alone; assign it to a role or a team");
            warnings.add(format!("{path}.requiredApprovals"), problem);
        }
    }
}
