//! JSON values with expressions in their strings.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::context::{FillError, Filler};
use super::expression::Expression;
use super::text::Text;
use crate::problem::FieldErrors;

/// A JSON value whose strings are [`Text`]s; keys are taken as they are.
#[derive(Debug, Clone, PartialEq)]
pub enum Template {
    /// A string.
    Text(Text),
    /// An array.
    Array(Vec<Template>),
    /// An object.
    Object(BTreeMap<String, Template>),
    /// A number, a boolean or null.
    Scalar(Value),
}

impl Template {
    /// Reads a template. Fails with every bad expression, at its path below `path`.
    pub fn parse(value: &Value, path: &str) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::new();
        let template = Self::read(value, path, &mut errors);
        errors.into_result(template)
    }

    fn read(value: &Value, path: &str, errors: &mut FieldErrors) -> Self {
        match value {
            Value::String(text) => match text.parse() {
                Ok(text) => Self::Text(text),
                Err(bad) => {
                    errors.add(path, bad);
                    Self::Scalar(Value::Null)
                }
            },
            Value::Array(items) => {
                Self::Array(items.iter().enumerate().map(|(at, item)| Self::read(item, &format!("{path}[{at}]"), errors)).collect())
            }
            Value::Object(fields) => {
                Self::Object(fields.iter().map(|(key, item)| (key.clone(), Self::read(item, &format!("{path}.{key}"), errors))).collect())
            }
            scalar => Self::Scalar(scalar.clone()),
        }
    }

    /// Returns the value with every expression filled in.
    pub(crate) fn resolve(&self, filler: &Filler<'_>) -> Result<Value, FillError> {
        self.resolve_at(filler, 0)
    }

    fn resolve_at(&self, filler: &Filler<'_>, depth: usize) -> Result<Value, FillError> {
        Ok(match self {
            Self::Text(text) => text.resolve(filler, depth)?,
            Self::Array(items) => Value::Array(items.iter().map(|item| item.resolve_at(filler, depth + 1)).collect::<Result<_, _>>()?),
            Self::Object(fields) => {
                let filled = fields.iter().map(|(key, item)| Ok((key.clone(), item.resolve_at(filler, depth + 1)?)));
                Value::Object(filled.collect::<Result<Map<_, _>, FillError>>()?)
            }
            Self::Scalar(value) => value.clone(),
        })
    }

    /// Returns the template as it is written in a spec.
    pub fn as_written(&self) -> Value {
        match self {
            Self::Text(text) => Value::String(text.as_written()),
            Self::Array(items) => items.iter().map(Self::as_written).collect(),
            Self::Object(fields) => Value::Object(fields.iter().map(|(key, item)| (key.clone(), item.as_written())).collect()),
            Self::Scalar(value) => value.clone(),
        }
    }

    /// Returns every expression of the template with its path; the template itself is at `path`.
    pub fn expressions(&self, path: &str) -> Vec<(String, &Expression)> {
        match self {
            Self::Text(text) => text.expressions().map(|expression| (path.to_owned(), expression)).collect(),
            Self::Array(items) => items.iter().enumerate().flat_map(|(at, item)| item.expressions(&format!("{path}[{at}]"))).collect(),
            Self::Object(fields) => fields.iter().flat_map(|(key, item)| item.expressions(&format!("{path}.{key}"))).collect(),
            Self::Scalar(_) => Vec::new(),
        }
    }
}
