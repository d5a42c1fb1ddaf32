//! Reads a whole spec: one that is being saved, or one that was saved.

use serde_json::Value;

use super::spec::read;
use crate::flow::check::{check, check_schema};
use crate::flow::graph::assemble;
use crate::flow::object_reader::{ObjectReader, SchemaCheck};
use crate::flow::spec::Spec;
use crate::problem::FieldErrors;

/// What is checked of a spec whose graph is valid.
type SpecCheck = fn(&Spec, &[String], &mut FieldErrors, &mut FieldErrors);

impl Spec {
    /// Reads and checks a spec that a caller sent. Fails with all problems at once, each at its JSON path, which begins with `spec`.
    pub fn parse(value: &Value) -> Result<Self, FieldErrors> {
        Self::parse_with_warnings(value).map(|(spec, _)| spec)
    }

    /// Reads and checks a spec as [`parse`](Self::parse) does. Returns with it what may make some of its runs fail, each at its JSON path.
    pub fn parse_with_warnings(value: &Value) -> Result<(Self, FieldErrors), FieldErrors> {
        Self::checked(value, check_schema, check)
    }

    /// Reads a spec that passed [`Spec::parse`] when it was saved. The rules for the graph and the fields are checked here too. The
    /// validity of schemas was checked then, and so was everything that is in `flow::check`, whose rules may be newer than the spec.
    pub fn stored(value: &Value) -> Result<Self, FieldErrors> {
        Self::checked(value, |_| Vec::new(), |_, _, _, _| {}).map(|(spec, _)| spec)
    }

    fn checked(value: &Value, schema_check: SchemaCheck, spec_check: SpecCheck) -> Result<(Self, FieldErrors), FieldErrors> {
        let (mut errors, mut warnings) = (FieldErrors::new(), FieldErrors::new());
        let raw = ObjectReader::of(value, "spec", schema_check, &mut errors).and_then(read);
        let spec = raw.and_then(|raw| assemble(raw, &mut errors));
        match spec {
            Some((spec, paths)) => {
                spec_check(&spec, &paths, &mut errors, &mut warnings);
                errors.into_result((spec, warnings))
            }
            None => Err(errors),
        }
    }
}
