//! What is checked when a flow is saved, beyond its graph: that its runs can execute it. Specs that were saved before are not checked
//! again, so that a rule that is added here makes no stored flow unreadable.

mod edits;
mod executions;
mod expressions;
mod literals;
mod requests;
mod schema;
mod schema_path;
mod shape;

use super::spec::Spec;
use crate::problem::FieldErrors;

pub(super) use schema::check_schema;

/// Checks a spec whose graph is valid. `paths` has the path of each node. Adds what makes runs fail to `errors`, and what may make some
/// of them fail to `warnings`.
pub(super) fn check(spec: &Spec, paths: &[String], errors: &mut FieldErrors, warnings: &mut FieldErrors) {
    expressions::check(spec, paths, errors);
    shape::check(spec, paths, errors, warnings);
    literals::check(spec, paths, errors);
    requests::check(spec, paths, errors);
    edits::check(spec, paths, errors);
    executions::check(spec, paths, errors, warnings);
}

/// Returns the nodes with their paths.
fn nodes<'a>(spec: &'a Spec, paths: &'a [String]) -> impl Iterator<Item = (super::spec::NodeIx, &'a str)> {
    (0..spec.len()).map(super::spec::NodeIx::new).zip(paths.iter().map(String::as_str))
}
