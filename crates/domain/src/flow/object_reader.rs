//! Reads a JSON object field by field and keeps every problem with its path.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::node::Route;
use crate::name::NodeId;
use crate::problem::FieldErrors;
use crate::template::{Template, Text};

/// Checks a JSON Schema, and returns what is wrong with it, each with its path below the schema. It is a parameter, so that a function which only reads specs that were
/// checked when they were saved does not link a validator, which is 2 MB of binary.
pub(super) type SchemaCheck = fn(&Value) -> Vec<(String, String)>;

/// Reads one object. A required field that is missing or wrong reads as `None` and adds an error.
pub(super) struct ObjectReader<'a> {
    path: String,
    object: &'a Map<String, Value>,
    seen: BTreeSet<&'static str>,
    schema_check: SchemaCheck,
    pub(super) errors: &'a mut FieldErrors,
}

impl<'a> ObjectReader<'a> {
    /// Reads `value` as an object at `path`. Adds an error if it is not an object.
    pub(super) fn of(value: &'a Value, path: impl Into<String>, schema_check: SchemaCheck, errors: &'a mut FieldErrors) -> Option<Self> {
        let path = path.into();
        if let Some(object) = value.as_object() {
            Some(Self { path, object, seen: BTreeSet::new(), schema_check, errors })
        } else {
            errors.add(path, "must be an object");
            None
        }
    }

    /// Reads `value`, which is inside this object, as an object at `path`.
    pub(super) fn inner<'b>(&'b mut self, value: &'b Value, path: impl Into<String>) -> Option<ObjectReader<'b>> {
        ObjectReader::of(value, path, self.schema_check, self.errors)
    }

    /// Reads a whole body: its fields have no path above them, and none of them is a schema.
    pub(super) fn of_body(object: &'a Map<String, Value>, errors: &'a mut FieldErrors) -> Self {
        Self { path: String::new(), object, seen: BTreeSet::new(), schema_check: |_| Vec::new(), errors }
    }

    pub(super) fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(super) fn problem(&mut self, name: &str, problem: impl Display) {
        let path = self.at(name);
        self.errors.add(path, problem);
    }

    /// Returns the field, if it was sent; `null` counts as left out.
    pub(super) fn optional(&mut self, name: &'static str) -> Option<&'a Value> {
        self.seen.insert(name);
        self.object.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn required(&mut self, name: &'static str) -> Option<&'a Value> {
        let value = self.optional(name);
        if value.is_none() {
            self.problem(name, "is required");
        }
        value
    }

    fn expect<T>(&mut self, name: &'static str, value: Option<&'a Value>, what: &str, read: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        let value = value?;
        let found = read(value);
        if found.is_none() {
            self.problem(name, format!("must be {what}"));
        }
        found
    }

    pub(super) fn string(&mut self, name: &'static str) -> Option<&'a str> {
        let value = self.required(name);
        self.expect(name, value, "a string", Value::as_str)
    }

    pub(super) fn optional_string(&mut self, name: &'static str) -> Option<&'a str> {
        let value = self.optional(name);
        self.expect(name, value, "a string", Value::as_str)
    }

    pub(super) fn boolean(&mut self, name: &'static str) -> Option<bool> {
        let value = self.optional(name);
        self.expect(name, value, "true or false", Value::as_bool)
    }

    pub(super) fn array(&mut self, name: &'static str) -> Option<&'a [Value]> {
        let value = self.optional(name);
        self.expect(name, value, "an array", |value| value.as_array().map(Vec::as_slice))
    }

    pub(super) fn object(&mut self, name: &'static str) -> Option<&'a Map<String, Value>> {
        let value = self.optional(name);
        self.expect(name, value, "an object", Value::as_object)
    }

    pub(super) fn integer(&mut self, name: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.optional(name);
        let what = format!("a whole number from {} to {}", range.start(), range.end());
        self.expect(name, value, &what, |value| value.as_u64().filter(|number| range.contains(number)))
    }

    pub(super) fn small_integer(&mut self, name: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let wide = u64::from(*range.start())..=u64::from(*range.end());
        self.integer(name, wide).and_then(|number| u32::try_from(number).ok())
    }

    pub(super) fn number(&mut self, name: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        let value = self.optional(name);
        let what = format!("a number from {} to {}", range.start(), range.end());
        self.expect(name, value, &what, |value| value.as_f64().filter(|number| range.contains(number)))
    }

    fn parsed<T: FromStr<Err: Display>>(&mut self, name: &'static str, text: Option<&'a str>) -> Option<T> {
        match text?.parse() {
            Ok(value) => Some(value),
            Err(problem) => {
                self.problem(name, problem);
                None
            }
        }
    }

    /// Reads a required string that parses as `T`.
    pub(super) fn parse<T: FromStr<Err: Display>>(&mut self, name: &'static str) -> Option<T> {
        let text = self.string(name);
        self.parsed(name, text)
    }

    /// Reads a string that parses as `T`, if it was sent.
    pub(super) fn parse_optional<T: FromStr<Err: Display>>(&mut self, name: &'static str) -> Option<T> {
        let text = self.optional_string(name);
        self.parsed(name, text)
    }

    fn template_from(&mut self, name: &'static str, value: Option<&'a Value>) -> Option<Template> {
        match Template::parse(value?, &self.at(name)) {
            Ok(template) => Some(template),
            Err(errors) => {
                self.errors.extend(errors);
                None
            }
        }
    }

    pub(super) fn template(&mut self, name: &'static str) -> Option<Template> {
        let value = self.required(name);
        self.template_from(name, value)
    }

    pub(super) fn optional_template(&mut self, name: &'static str) -> Option<Template> {
        let value = self.optional(name);
        self.template_from(name, value)
    }

    /// Reads an object of strings with templates, such as headers.
    pub(super) fn texts(&mut self, name: &'static str) -> BTreeMap<String, Text> {
        let mut texts = BTreeMap::new();
        for (key, value) in self.object(name).into_iter().flatten() {
            let parsed = match value {
                Value::String(text) => text.parse::<Text>().map_err(|problem| problem.to_string()),
                Value::Number(_) | Value::Bool(_) => value.to_string().parse::<Text>().map_err(|problem| problem.to_string()),
                _ => Err("must be a string, a number or a boolean".to_owned()),
            };
            match parsed {
                Ok(text) => _ = texts.insert(key.clone(), text),
                Err(problem) => self.problem(&format!("{name}.{key}"), problem),
            }
        }
        texts
    }

    /// Reads a JSON Schema, and checks it if this reader checks schemas.
    pub(super) fn schema(&mut self, name: &'static str) -> Option<Value> {
        let value = self.optional(name)?;
        if !value.is_object() && !value.is_boolean() {
            self.problem(name, "must be a JSON Schema: an object");
            return None;
        }
        let problems = (self.schema_check)(value);
        let is_valid = problems.is_empty();
        for (below, problem) in problems {
            self.problem(&format!("{name}{below}"), problem);
        }
        is_valid.then(|| value.clone())
    }

    /// Reads `fail` or `route_to:<node>`.
    pub(super) fn route(&mut self, name: &'static str) -> Option<Route> {
        let text = self.optional_string(name)?;
        if text == "fail" {
            return Some(Route::Fail);
        }
        let target = text.strip_prefix("route_to:").and_then(|node| node.parse::<NodeId>().ok());
        if target.is_none() {
            self.problem(name, format!("must be `fail` or `route_to:<node>`, not `{text}`"));
        }
        target.map(Route::To)
    }

    /// Adds an error for every field that was not read: a misspelt field must not be ignored.
    pub(super) fn finish(self) {
        for name in self.object.keys().filter(|name| !self.seen.contains(name.as_str())) {
            self.errors.add(self.at(name), "is not a field that belongs here");
        }
    }
}
