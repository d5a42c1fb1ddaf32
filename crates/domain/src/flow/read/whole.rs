//! Reads a whole spec: one that is being saved, or one that was saved.

use serde_json::Value;

use super::spec::read;
use crate::flow::graph::assemble;
use crate::flow::object_reader::{ObjectReader, SchemaCheck};
use crate::flow::spec::Spec;
use crate::problem::FieldErrors;

impl Spec {
    /// Reads and checks a spec that a caller sent. Fails with all problems at once, each at its JSON path, which begins with `spec`.
    pub fn parse(value: &Value) -> Result<Self, FieldErrors> {
        Self::checked(value, |schema| match jsonschema::validator_for(schema) {
            Ok(_) => Ok(()),
            Err(problem) => Err(format!("{problem} (at `{}`)", problem.instance_path())),
        })
    }

    /// Reads a spec that passed [`Spec::parse`] when it was saved. Every rule but one is checked here too: whether a schema is a valid
    /// JSON Schema was checked then.
    pub fn stored(value: &Value) -> Result<Self, FieldErrors> {
        Self::checked(value, |_| Ok(()))
    }

    fn checked(value: &Value, schema_check: SchemaCheck) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::new();
        let raw = ObjectReader::of(value, "spec", schema_check, &mut errors).and_then(read);
        let spec = raw.and_then(|raw| assemble(raw, &mut errors));
        match (spec, errors.is_empty()) {
            (Some(spec), true) => Ok(spec),
            _ => Err(errors),
        }
    }
}
