//! `allowedEdits` that allow nothing.

use super::nodes;
use super::schema_path::Reach;
use super::shape::of_template;
use crate::flow::node::NodeKind;
use crate::flow::spec::Spec;
use crate::problem::FieldErrors;
use crate::template::Template;

/// How far a path is followed through templates that only pass a value on.
const MAX_HOPS: usize = 16;

pub(super) fn check(spec: &Spec, paths: &[String], errors: &mut FieldErrors) {
    for (ix, path) in nodes(spec, paths) {
        let NodeKind::Approval(gate) = &spec.node(ix).kind else { continue };
        for (at, pointer) in gate.allowed_edits.iter().flatten().enumerate() {
            if let Some(problem) = problem(spec, &gate.proposed_action, pointer) {
                errors.add(format!("{path}.allowedEdits[{at}]"), problem);
            }
        }
    }
}

/// Returns why a pointer allows nothing in the proposed action.
fn problem(spec: &Spec, action: &Template, pointer: &str) -> Option<String> {
    let segments: Vec<String> = pointer.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~")).collect();
    let mut value = Some(action);
    for (at, segment) in segments.iter().enumerate() {
        let is_key = matches!(value, Some(Template::Object(fields)) if fields.contains_key(segment));
        let has_zero = segment.len() > 1 && segment.starts_with('0') && segment.bytes().all(|byte| byte.is_ascii_digit());
        let problem = match segment.as_str() {
            _ if is_key => None,
            "*" => Some("has `*`: a JSON Pointer has no wildcards; name the place above, which allows everything below it".to_owned()),
            "-" => Some("has `-`: no place of the proposed action has that name; name the array, or one of its positions".to_owned()),
            _ if has_zero => Some(format!("has `{segment}`: a position in an array is written without leading zeros")),
            _ => None,
        };
        if problem.is_some() {
            return problem;
        }
        value = match value {
            Some(Template::Object(fields)) => fields.get(segment),
            Some(Template::Array(items)) => segment.parse::<usize>().ok().and_then(|position| items.get(position)),
            _ => None,
        };
        let above = segments.get(..=at).unwrap_or_default();
        if of_template(spec, action, above, MAX_HOPS) == Reach::Impossible {
            return Some(format!("allows nothing: the proposed action has no `/{}`", above.join("/")));
        }
    }
    None
}
