//! Fields whose written part alone shows that they cannot be used in any run.

use super::nodes;
use super::shape::is_composite;
use crate::access::Assignee;
use crate::flow::node::{Approval, NodeKind, Wait};
use crate::flow::spec::Spec;
use crate::gate::MAX_LABEL_BYTES;
use crate::problem::FieldErrors;
use crate::template::{Part, Text};
use crate::time::Time;

/// What an assignee begins with.
const ASSIGNEES: [&str; 3] = ["role:", "user:", "team:"];

pub(super) fn check(spec: &Spec, paths: &[String], errors: &mut FieldErrors) {
    for (ix, path) in nodes(spec, paths) {
        match &spec.node(ix).kind {
            NodeKind::Approval(gate) => approval(gate, path, errors),
            NodeKind::Wait(Wait::Until(until)) => {
                if let Some(Err(problem)) = until.literal().map(str::parse::<Time>) {
                    errors.add(format!("{path}.until"), problem);
                }
            }
            NodeKind::Decision(decision) if is_composite(spec, &decision.expression) => errors.add(
                format!("{path}.expression"),
                format!(
                    "`{}` is always an array or an object; a decision needs a single value, such as a field of it",
                    decision.expression
                ),
            ),
            _ => {}
        }
    }
}

fn approval(gate: &Approval, path: &str, errors: &mut FieldErrors) {
    let bytes = literal_bytes(&gate.action_label);
    if bytes > MAX_LABEL_BYTES {
        errors.add(format!("{path}.actionLabel"), format!("has {bytes} bytes without its values; a label has at most {MAX_LABEL_BYTES}"));
    }
    let Some(assign_to) = &gate.assign_to else { return };
    if let Some(literal) = assign_to.literal() {
        if let Err(problem) = literal.parse::<Assignee>() {
            errors.add(format!("{path}.assignTo"), problem);
        }
    } else if let Some(Part::Literal(begin)) = assign_to.parts().first()
        && !ASSIGNEES.iter().any(|prefix| begin.starts_with(prefix) || prefix.starts_with(begin.as_str()))
    {
        errors.add(format!("{path}.assignTo"), format!("must begin with `role:`, `user:` or `team:`, not with `{begin}`"));
    }
}

/// Returns the bytes of a text without the values of its expressions.
fn literal_bytes(text: &Text) -> usize {
    text.parts().iter().map(|part| if let Part::Literal(literal) = part { literal.len() } else { 0 }).sum()
}
