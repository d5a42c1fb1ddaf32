//! Texts with expressions in them.

use std::str::FromStr;

use serde_json::Value;

use super::context::{FillError, Filler};
use super::expression::{BadTemplate, Expression};
use super::parse::closing_brace;
use crate::json::canonical;

/// A text with expressions in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(Vec<Part>);

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// A part that stands for itself.
    Literal(String),
    /// An expression, whose value takes its place.
    Expression(Expression),
}

impl FromStr for Text {
    type Err = BadTemplate;

    fn from_str(text: &str) -> Result<Self, BadTemplate> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, tail) = (rest.get(..at).unwrap_or_default(), rest.get(at + 2..).unwrap_or_default());
            if let Some(escaped) = before.strip_suffix('$') {
                literal.push_str(escaped);
                literal.push_str("${");
                rest = tail;
                continue;
            }
            literal.push_str(before);
            let (expression, after) = expression_at(tail, text.len() - tail.len() - 2)?;
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Expression(expression));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() || parts.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self(parts))
    }
}

/// Reads the expression at the beginning of `tail`, which follows `${` at character `at`, and returns what follows its brace.
fn expression_at(tail: &str, at: usize) -> Result<(Expression, &str), BadTemplate> {
    let split = |end: usize| Some((tail.get(..end)?, tail.get(end + 1..)?));
    // A brace in quotes belongs to a key. Earlier versions knew no quotes: what they accepted is still read up to the first brace.
    if let Some((inside, after)) = closing_brace(tail).and_then(split)
        && let Ok(expression) = inside.parse::<Expression>()
        && expression.outdated.is_none()
    {
        return Ok((expression, after));
    }
    let (inside, after) = tail.split_once('}').ok_or(BadTemplate::Unclosed(at))?;
    Ok((inside.parse()?, after))
}

impl Text {
    /// Returns the text with every value filled in: a string as it is, any other value as JSON.
    pub(crate) fn fill(&self, filler: &Filler<'_>) -> Result<String, FillError> {
        self.fill_encoded(filler, str::to_owned)
    }

    /// Fills in the text like [`fill`](Self::fill), with each value passed through `encode` first, so that it cannot change the structure
    /// of the text around it.
    pub(crate) fn fill_encoded(&self, filler: &Filler<'_>, encode: impl Fn(&str) -> String) -> Result<String, FillError> {
        self.0.iter().try_fold(String::new(), |mut filled, part| {
            match part {
                Part::Literal(literal) => filled.push_str(literal),
                Part::Expression(expression) => {
                    let value = expression.resolve(filler.context)?;
                    filler.admit(&value, 0, expression)?;
                    filled.push_str(&encode(&match value.as_ref() {
                        Value::String(text) => text.clone(),
                        other => canonical(other),
                    }));
                }
            }
            Ok(filled)
        })
    }

    /// Returns whether the text is one expression and nothing else.
    pub fn is_one_expression(&self) -> bool {
        self.lone_expression().is_some()
    }

    /// Returns the expression, if the text is one expression and nothing else.
    pub(crate) fn lone_expression(&self) -> Option<&Expression> {
        match self.0.as_slice() {
            [Part::Expression(only)] => Some(only),
            _ => None,
        }
    }

    /// Returns the text, if it has no expression.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Literal(only)] => Some(only),
            _ => None,
        }
    }

    /// Returns the text as it is written in a spec.
    pub fn as_written(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, part| {
            match part {
                Part::Literal(literal) => text.push_str(&literal.replace("${", "$${")),
                Part::Expression(expression) => {
                    text.push_str("${");
                    text.push_str(&expression.to_string());
                    text.push('}');
                }
            }
            text
        })
    }

    /// Returns the parts of the text.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.0
    }

    /// Returns the value of the text `depth` levels deep in a template.
    pub(super) fn resolve(&self, filler: &Filler<'_>, depth: usize) -> Result<Value, FillError> {
        let Some(only) = self.lone_expression() else { return self.fill(filler).map(Value::String) };
        let value = only.resolve(filler.context)?;
        filler.admit(&value, depth, only)?;
        Ok(value.into_owned())
    }

    /// Returns the expressions before the first `?` or `#`, which fill the path of a URL.
    pub(crate) fn path_expressions(&self) -> impl Iterator<Item = &Expression> {
        let is_path = |part: &&Part| !matches!(part, Part::Literal(literal) if literal.contains(['?', '#']));
        self.0.iter().take_while(is_path).filter_map(as_expression)
    }

    /// Returns the expressions of the text.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.0.iter().filter_map(as_expression)
    }
}

fn as_expression(part: &Part) -> Option<&Expression> {
    match part {
        Part::Expression(expression) => Some(expression),
        Part::Literal(_) => None,
    }
}
