//! Paths that the output of a node cannot have.

use std::collections::BTreeMap;

use super::nodes;
use super::schema_path::{Reach, reach};
use crate::flow::node::{LlmStep, NodeKind};
use crate::flow::spec::Spec;
use crate::problem::FieldErrors;
use crate::template::{Expression, Operand, Path, Template, Text};

/// How far a path is followed through templates that only pass a value on.
const MAX_HOPS: usize = 16;

pub(super) fn check(spec: &Spec, paths: &[String], errors: &mut FieldErrors, warnings: &mut FieldErrors) {
    for (ix, path) in nodes(spec, paths) {
        for (field, expression) in spec.node(ix).kind.expressions() {
            for operand in expression.operands() {
                let Operand::Path(read) = operand else { continue };
                let Some(node) = read.node() else { continue };
                let Some(from) = spec.position(node) else { continue };
                let kind = &spec.node(from).kind;
                let path = || format!("{path}.{field}");
                match of_path(spec, read, MAX_HOPS) {
                    Reach::Possible => {}
                    Reach::Unmentioned => {
                        warnings
                            .add(path(), format!("`${{{expression}}}` names a field of `{node}` that its outputSchema does not mention"));
                    }
                    Reach::Impossible => {
                        errors.add(path(), format!("`${{{expression}}}` can never be read: {}", puts_out(node.as_str(), kind)));
                    }
                }
            }
        }
    }
}

/// Returns whether the value of an expression is an array or an object in every run in which it exists.
pub(super) fn is_composite(spec: &Spec, expression: &Expression) -> bool {
    let [Operand::Path(path)] = expression.operands() else { return false };
    let Some(ix) = path.node().and_then(|node| spec.position(node)) else { return false };
    let names: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    let kind = &spec.node(ix).kind;
    match names.as_slice() {
        [] => match kind {
            NodeKind::Transform(template) => matches!(template, Template::Array(_) | Template::Object(_)),
            NodeKind::Service(_) | NodeKind::Emit(_) => false,
            _ => true,
        },
        ["tokens" | "toolCalls"] => matches!(kind, NodeKind::Llm(_)),
        ["headers"] => matches!(kind, NodeKind::Http(_)),
        _ => false,
    }
}

/// Returns in words what a node puts out.
fn puts_out(node: &str, kind: &NodeKind) -> String {
    let what = match kind {
        NodeKind::Llm(LlmStep { output_schema: None, .. }) => {
            "text, model, inferenceMs, tokens and toolCalls, and has no outputSchema that would give more".to_owned()
        }
        NodeKind::Llm(_) => "text, parsed, model, inferenceMs, tokens and toolCalls, and its outputSchema rules this out".to_owned(),
        NodeKind::Http(_) => "status, headers and body".to_owned(),
        NodeKind::Decision(_) => "selected".to_owned(),
        NodeKind::Wait(_) => "resumedAt".to_owned(),
        NodeKind::Emit(_) => "the id of the event, a text".to_owned(),
        NodeKind::Approval(_) => "decision, proposedAction, note and actor".to_owned(),
        NodeKind::Transform(_) => "what its `output` says, which has nothing there".to_owned(),
        NodeKind::Sink(_) => "status".to_owned(),
        NodeKind::Service(_) => "what was answered".to_owned(),
    };
    format!("`{node}` puts out {what}")
}

/// Returns whether a path into the data of a run can exist.
pub(super) fn of_path(spec: &Spec, path: &Path, hops: usize) -> Reach {
    let Some(ix) = path.node().and_then(|node| spec.position(node)) else { return Reach::Possible };
    of_output(spec, &spec.node(ix).kind, &path.segments, hops)
}

fn of_output(spec: &Spec, kind: &NodeKind, segments: &[String], hops: usize) -> Reach {
    let Some((first, below)) = segments.split_first() else { return Reach::Possible };
    // A field that holds a single value has nothing below it.
    let leaf = |names: &[&str]| if names.contains(&first.as_str()) && below.is_empty() { Reach::Possible } else { Reach::Impossible };
    match kind {
        NodeKind::Llm(step) => of_llm(step, segments),
        NodeKind::Http(_) => match first.as_str() {
            "headers" | "body" => Reach::Possible,
            _ => leaf(&["status"]),
        },
        NodeKind::Decision(_) => leaf(&["selected"]),
        NodeKind::Sink(_) => leaf(&["status"]),
        NodeKind::Wait(_) => leaf(&["resumedAt"]),
        NodeKind::Emit(_) => Reach::Impossible,
        NodeKind::Approval(_) if first == "proposedAction" => Reach::Possible,
        NodeKind::Approval(_) => leaf(&["decision", "note", "actor"]),
        NodeKind::Transform(template) => of_template(spec, template, segments, hops),
        NodeKind::Service(_) => Reach::Possible,
    }
}

fn of_llm(step: &LlmStep, segments: &[String]) -> Reach {
    let names: Vec<&str> = segments.iter().map(String::as_str).collect();
    let own = match names.as_slice() {
        ["text" | "model" | "inferenceMs" | "parsed" | "tokens"] | ["tokens", "prompt" | "completion" | "total"] | ["toolCalls", ..] => {
            Reach::Possible
        }
        _ => Reach::Impossible,
    };
    let Some(schema) = &step.output_schema else { return own };
    let parsed = match segments.split_first() {
        Some((first, below)) if first == "parsed" => reach(schema, below).max(reach(schema, segments)),
        _ => reach(schema, segments),
    };
    own.max(parsed)
}

/// Returns whether the value of a template can have something at `segments`.
pub(super) fn of_template(spec: &Spec, template: &Template, segments: &[String], hops: usize) -> Reach {
    let Some((first, below)) = segments.split_first() else { return Reach::Possible };
    let index = |items: usize| first.parse::<usize>().ok().filter(|at| *at < items && at.to_string() == *first);
    match template {
        Template::Object(fields) => of_field(spec, fields, first, below, hops),
        Template::Array(items) => {
            index(items.len()).and_then(|at| items.get(at)).map_or(Reach::Impossible, |item| of_template(spec, item, below, hops))
        }
        Template::Text(text) => of_text(spec, text, segments, hops),
        Template::Scalar(_) => Reach::Impossible,
    }
}

fn of_field(spec: &Spec, fields: &BTreeMap<String, Template>, first: &str, below: &[String], hops: usize) -> Reach {
    fields.get(first).map_or(Reach::Impossible, |field| of_template(spec, field, below, hops))
}

fn of_text(spec: &Spec, text: &Text, segments: &[String], hops: usize) -> Reach {
    match (text.lone_expression().map(Expression::operands), hops.checked_sub(1)) {
        (Some([Operand::Path(path)]), Some(hops)) => {
            let path = Path { root: path.root.clone(), segments: path.segments.iter().chain(segments).cloned().collect() };
            of_path(spec, &path, hops)
        }
        (Some(_), _) => Reach::Possible,
        // A longer text is a string, which has nothing below it.
        (None, _) => Reach::Impossible,
    }
}
