//! Expressions: paths into the data of a run, with alternatives.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use super::context::{FillError, TemplateContext};
use super::path::{Path, Root};
use super::{legacy, parse};
use crate::name::NodeId;

/// One or more operands, separated by `??`. The value is that of the first operand that exists and is not null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    operands: Vec<Operand>,
    /// What is wrong with the text, if only earlier versions accepted it: it is still read as it was then, and no longer saved.
    pub(super) outdated: Option<&'static str>,
    /// The text, as it is shown in errors and in the input of a decision.
    text: String,
}

/// One alternative of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operand {
    /// A path into the data of the run.
    Path(Path),
    /// A string, a number, `true`, `false` or `null`.
    Literal(Value),
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
    /// The text has characters that an expression cannot have in this place.
    #[error("`{0}` is no expression: {1}")]
    Syntax(String, &'static str),
}

impl FromStr for Expression {
    type Err = BadTemplate;

    fn from_str(text: &str) -> Result<Self, BadTemplate> {
        let text = text.trim();
        match parse::operands(text) {
            Ok(operands) => Ok(Self { operands, outdated: None, text: text.to_owned() }),
            Err(error) => match (legacy::path(text), error) {
                (Ok(path), BadTemplate::Syntax(_, hint)) => {
                    Ok(Self { operands: vec![Operand::Path(path)], outdated: Some(hint), text: text.to_owned() })
                }
                (Ok(path), _) => Ok(Self { operands: vec![Operand::Path(path)], outdated: Some(parse::KEYS), text: text.to_owned() }),
                (Err(_), error @ BadTemplate::Syntax(..)) if text.contains("??") || text.contains(['"', '\'']) => Err(error),
                (Err(error), _) => Err(error),
            },
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Expression {
    /// Returns why the text can no longer be saved, if only earlier versions accepted it.
    pub(crate) fn outdated(&self) -> Option<BadTemplate> {
        self.outdated.map(|hint| BadTemplate::Syntax(self.text.clone(), hint))
    }

    /// Returns the alternatives, in their order.
    pub(crate) fn operands(&self) -> &[Operand] {
        &self.operands
    }

    /// Returns the nodes whose outputs the expression reads.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeId> {
        self.paths().filter_map(Path::node)
    }

    /// Returns whether the expression reads the input of the run.
    pub fn reads_input(&self) -> bool {
        self.paths().any(|path| path.root == Root::Trigger)
    }

    fn paths(&self) -> impl Iterator<Item = &Path> {
        self.operands.iter().filter_map(|operand| match operand {
            Operand::Path(path) => Some(path),
            Operand::Literal(_) => None,
        })
    }

    /// Returns the value of the first operand that exists and is not null; null if one exists and all that exist are null. Fails if no
    /// operand exists.
    pub(crate) fn resolve<'v>(&'v self, context: &'v TemplateContext<'_>) -> Result<Cow<'v, Value>, FillError> {
        let mut is_null = false;
        let mut hint = "";
        for operand in &self.operands {
            let found = match operand {
                Operand::Literal(value) => Ok(Cow::Borrowed(value)),
                Operand::Path(path) => path.find(context),
            };
            match found {
                Ok(value) if value.is_null() => is_null = true,
                Ok(value) => return Ok(value),
                Err(missing) => hint = missing,
            }
        }
        if is_null { Ok(Cow::Owned(Value::Null)) } else { Err(FillError::Missing { path: self.text.clone(), hint }) }
    }
}
