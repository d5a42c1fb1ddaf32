//! A compiled schema.

use jsonschema::Validator;
use serde_json::Value;

use super::work::{TooMuchWork, measure};

/// A JSON Schema that is ready to validate values.
#[derive(Debug)]
pub struct Schema {
    source: Value,
    validator: Validator,
}

/// The error for a value that is no JSON Schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} (at `{pointer}`)")]
pub struct BadSchema {
    /// What is wrong.
    pub problem: String,
    /// The JSON Pointer of the place in the schema.
    pub pointer: String,
}

/// A place at which a value does not satisfy a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The JSON Pointer of the place in the value.
    pub pointer: String,
    /// What is wrong there. It quotes the value, and may be as long.
    pub message: String,
}

impl Schema {
    /// Compiles a schema. Fails if it is not a valid JSON Schema.
    pub fn compile(source: &Value) -> Result<Self, BadSchema> {
        match jsonschema::validator_for(source) {
            Ok(validator) => Ok(Self { source: source.clone(), validator }),
            Err(problem) => Err(BadSchema { problem: problem.to_string(), pointer: problem.instance_path().to_string() }),
        }
    }

    /// Returns the first `most` violations of the schema by a value; an empty list if the value satisfies it. The work is computed before
    /// the validation begins. Fails if it is too much.
    pub fn violations(&self, value: &Value, most: usize) -> Result<Vec<Violation>, TooMuchWork> {
        measure(&self.source, value)?;
        let errors = self.validator.iter_errors(value).take(most);
        Ok(errors.map(|error| Violation { pointer: error.instance_path().to_string(), message: error.to_string() }).collect())
    }
}
