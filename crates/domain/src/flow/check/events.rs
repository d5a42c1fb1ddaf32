//! Events that a flow would emit under the names of ours.

use super::nodes;
use crate::event_name::is_of_approvals;
use crate::flow::node::NodeKind;
use crate::flow::spec::Spec;
use crate::problem::FieldErrors;

pub(super) fn check(spec: &Spec, paths: &[String], errors: &mut FieldErrors) {
    for (ix, path) in nodes(spec, paths) {
        if let NodeKind::Emit(emit) = &spec.node(ix).kind
            && is_of_approvals(&emit.event)
        {
            errors.add(format!("{path}.event"), "must not begin with `approval.`: these are the names of the events of approvals");
        }
    }
}
