//! Expressions: paths into the data of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde_json::Value;

use crate::name::NodeId;

/// One path into the data of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    root: Root,
    path: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Root {
    Trigger,
    Output(NodeId),
    RunId,
    TraceId,
}

/// The error for a text that is not an expression or a template.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum BadTemplate {
    /// `${` without `}`.
    #[error("`${{` at character {0} is never closed with `}}`; write `$${{` for a literal `${{`")]
    Unclosed(usize),
    /// The path names nothing that a run has.
    #[error("`{0}` is no path: use trigger.…, step.<node>.output.…, run.id or run.traceId")]
    UnknownPath(String),
    /// The node in `step.<node>` is not a node id.
    #[error("`{0}` names `{1}`, which cannot be a node id")]
    BadNode(String, String),
}

/// The error for a path that does not exist at run time.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("`{path}` is not there{hint}")]
pub struct Missing {
    path: String,
    hint: &'static str,
}

/// The output of a node, as expressions read it.
#[derive(Debug, Clone)]
pub struct Output {
    /// The value.
    pub value: Arc<Value>,
    /// On an `llm_step`, `output.x` falls back to `output.parsed.x`.
    pub falls_back_to_parsed: bool,
}

/// The data that expressions can name.
#[derive(Debug)]
pub struct TemplateContext<'a> {
    /// The input of the run.
    pub trigger: &'a Value,
    /// The outputs of the nodes that have one.
    pub outputs: &'a BTreeMap<NodeId, Output>,
    /// `${run.id}`.
    pub run_id: String,
    /// `${run.traceId}`.
    pub trace_id: String,
}

impl FromStr for Expression {
    type Err = BadTemplate;

    fn from_str(text: &str) -> Result<Self, BadTemplate> {
        let unknown = || BadTemplate::UnknownPath(text.to_owned());
        // `items[0].name` is read as `items.0.name`.
        let dotted = text.trim().replace('[', ".").replace(']', "");
        let mut segments = dotted.split('.').map(str::to_owned);
        let root = match segments.next().as_deref() {
            Some("trigger") => Root::Trigger,
            Some("run") => match segments.next().as_deref() {
                Some("id") => Root::RunId,
                Some("traceId") => Root::TraceId,
                _ => return Err(unknown()),
            },
            Some("step") => {
                let name = segments.next().ok_or_else(unknown)?;
                let node = name.parse().map_err(|_| BadTemplate::BadNode(text.to_owned(), name))?;
                if segments.next().as_deref() != Some("output") {
                    return Err(unknown());
                }
                Root::Output(node)
            }
            _ => return Err(unknown()),
        };
        let path: Vec<String> = segments.collect();
        let leads_nowhere = matches!(root, Root::RunId | Root::TraceId) && !path.is_empty();
        if leads_nowhere || path.iter().any(String::is_empty) {
            return Err(unknown());
        }
        Ok(Self { root, path })
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.root {
            Root::Trigger => f.write_str("trigger")?,
            Root::Output(node) => write!(f, "step.{node}.output")?,
            Root::RunId => f.write_str("run.id")?,
            Root::TraceId => f.write_str("run.traceId")?,
        }
        self.path.iter().try_for_each(|segment| write!(f, ".{segment}"))
    }
}

impl Expression {
    /// Returns the node whose output the expression reads.
    pub fn node(&self) -> Option<&NodeId> {
        match &self.root {
            Root::Output(node) => Some(node),
            _ => None,
        }
    }

    /// Returns whether the expression reads the input of the run.
    pub fn reads_input(&self) -> bool {
        self.root == Root::Trigger
    }

    /// Returns the value that the expression names. Fails if the path does not exist.
    pub fn resolve(&self, context: &TemplateContext<'_>) -> Result<Value, Missing> {
        let missing = |hint| Missing { path: self.to_string(), hint };
        let found = match &self.root {
            Root::RunId => return Ok(Value::from(context.run_id.as_str())),
            Root::TraceId => return Ok(Value::from(context.trace_id.as_str())),
            Root::Trigger => walk(context.trigger, &self.path),
            Root::Output(node) => {
                let output =
                    context.outputs.get(node).ok_or_else(|| missing(" (the node has put out nothing: it was skipped or failed)"))?;
                let fallback = || {
                    let parsed = output.falls_back_to_parsed.then(|| output.value.get("parsed"))??;
                    walk(parsed, &self.path)
                };
                walk(&output.value, &self.path).or_else(fallback)
            }
        };
        found.cloned().ok_or_else(|| missing(""))
    }
}

fn walk<'v>(from: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(from, |value, segment| match value {
        Value::Object(fields) => fields.get(segment),
        Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        _ => None,
    })
}
