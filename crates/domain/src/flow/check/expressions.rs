//! Expressions that earlier versions read as paths with odd keys, and that name nothing in practice.

use super::nodes;
use crate::flow::spec::Spec;
use crate::problem::FieldErrors;

pub(super) fn check(spec: &Spec, paths: &[String], errors: &mut FieldErrors) {
    for (ix, path) in nodes(spec, paths) {
        for (field, expression) in spec.node(ix).kind.expressions() {
            if let Some(problem) = expression.outdated() {
                errors.add(format!("{path}.{field}"), problem);
            }
        }
    }
}
