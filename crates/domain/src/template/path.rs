//! Paths into the data of a run.

use std::borrow::Cow;

use serde_json::Value;

use super::context::TemplateContext;
use crate::name::NodeId;

/// A path: where it begins, and the keys and positions that it goes through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) root: Root,
    pub(crate) segments: Vec<String>,
}

/// Where a path begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Root {
    /// The input of the run.
    Trigger,
    /// The output of a node.
    Output(NodeId),
    /// The id of the run.
    RunId,
    /// The trace id of the run.
    TraceId,
}

impl Path {
    /// Returns the node whose output the path reads.
    pub(crate) fn node(&self) -> Option<&NodeId> {
        match &self.root {
            Root::Output(node) => Some(node),
            _ => None,
        }
    }

    /// Returns the value at the path. Fails with a hint for the error message if it does not exist.
    pub(super) fn find<'v>(&self, context: &'v TemplateContext<'_>) -> Result<Cow<'v, Value>, &'static str> {
        let found = match &self.root {
            Root::RunId => return Ok(Cow::Owned(Value::from(context.run_id.as_str()))),
            Root::TraceId => return Ok(Cow::Owned(Value::from(context.trace_id.as_str()))),
            Root::Trigger => walk(context.trigger, &self.segments),
            Root::Output(node) => {
                let output = context.outputs.get(node).ok_or(" (the node has put out nothing: it was skipped or failed)")?;
                let fallback = || {
                    let parsed = output.falls_back_to_parsed.then(|| output.value.get("parsed"))??;
                    walk(parsed, &self.segments)
                };
                walk(&output.value, &self.segments).or_else(fallback)
            }
        };
        found.map(Cow::Borrowed).ok_or("")
    }
}

fn walk<'v>(from: &'v Value, segments: &[String]) -> Option<&'v Value> {
    segments.iter().try_fold(from, |value, segment| match value {
        Value::Object(fields) => fields.get(segment),
        Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        _ => None,
    })
}
