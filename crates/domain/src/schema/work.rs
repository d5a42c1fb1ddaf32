//! The work of a validation, computed before it begins.
//!
//! A validator applies every subschema to every place of the value that it is for, again for each path that leads there. A schema of 2 KB
//! whose `$ref`s double at each of 21 levels is applied two million times. The number of applications is computed here without making
//! them: the work for one subschema and one place is the same on every path, so it is computed once. `docs/adr/0043` has the figures.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// The most subschemas that one validation applies, each counted as often as it is applied.
pub const MAX_WORK: u64 = 250_000;
/// The most subschemas that are applied inside each other: a validator needs stack for each of them.
pub const MAX_NESTING: usize = 400;

/// The error for a validation that would be too much work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMuchWork {
    /// Too many subschemas would be applied.
    #[error(
        "the schema is too much work for this value: it would be applied in more than {MAX_WORK} places; look for `$ref`s that branch at each level"
    )]
    Applications,
    /// Too many subschemas would be applied inside each other, or a `$ref` leads back to itself.
    #[error(
        "the schema is applied inside itself more than {MAX_NESTING} times for this value; look for `$ref`s that lead back to themselves"
    )]
    Nesting,
}

/// Returns about how many subschemas a validation of `value` applies, rather too many than too few. Fails if they are too many.
pub(super) fn measure(schema: &Value, value: &Value) -> Result<u64, TooMuchWork> {
    let mut names = Names::default();
    names.collect(schema);
    Meter { root: schema, names, known: HashMap::new() }.visit(schema, value, 0)
}

/// The names by which a schema refers to its parts.
#[derive(Default)]
struct Names<'s> {
    /// The subschemas with an `$id`.
    resources: Vec<(&'s str, &'s Value)>,
    /// The subschemas with an `$anchor`.
    anchors: Vec<(&'s str, &'s Value)>,
}

impl<'s> Names<'s> {
    fn collect(&mut self, schema: &'s Value) {
        match schema {
            Value::Object(fields) => {
                let text = |name: &str| fields.get(name).and_then(Value::as_str);
                self.resources.extend(text("$id").map(|id| (id, schema)));
                self.anchors.extend(["$anchor", "$dynamicAnchor"].into_iter().filter_map(text).map(|anchor| (anchor, schema)));
                fields.values().for_each(|value| self.collect(value));
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item)),
            _ => {}
        }
    }
}

/// Counts applications. A pair is a subschema and a place, by their addresses.
struct Meter<'s> {
    root: &'s Value,
    names: Names<'s>,
    /// The work for each pair that was visited; none while it is being computed.
    known: HashMap<(usize, usize), Option<u64>>,
}

impl<'s> Meter<'s> {
    fn visit(&mut self, schema: &'s Value, place: &Value, nesting: usize) -> Result<u64, TooMuchWork> {
        let Value::Object(keywords) = schema else { return Ok(1) };
        if nesting > MAX_NESTING {
            return Err(TooMuchWork::Nesting);
        }
        let pair = (std::ptr::from_ref(schema).addr(), std::ptr::from_ref(place).addr());
        match self.known.get(&pair) {
            Some(Some(work)) => return Ok(*work),
            Some(None) => return Err(TooMuchWork::Nesting),
            None => _ = self.known.insert(pair, None),
        }
        let work = 1 + self.in_place(keywords, place, nesting + 1)? + self.below(keywords, place, nesting + 1)?;
        if work > MAX_WORK {
            return Err(TooMuchWork::Applications);
        }
        self.known.insert(pair, Some(work));
        Ok(work)
    }

    /// Returns the work of the keywords that apply subschemas to the place itself.
    fn in_place(&mut self, keywords: &'s Map<String, Value>, place: &Value, nesting: usize) -> Result<u64, TooMuchWork> {
        let mut work = 0;
        for (keyword, argument) in keywords {
            work += match (keyword.as_str(), argument) {
                ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(reference)) => {
                    let targets = self.targets(reference);
                    self.visit_all(targets, place, nesting)?
                }
                ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => self.visit_all(schemas, place, nesting)?,
                ("not" | "if" | "then" | "else", schema) => self.visit(schema, place, nesting)?,
                ("dependentSchemas" | "dependencies", Value::Object(schemas)) => self.visit_all(schemas.values(), place, nesting)?,
                ("enum", Value::Array(values)) => values.len() as u64,
                _ => 0,
            };
        }
        // What is evaluated is found out by applying the same subschemas once more.
        let applies_twice = keywords.contains_key("unevaluatedProperties") || keywords.contains_key("unevaluatedItems");
        Ok(if applies_twice { work * 2 } else { work })
    }

    /// Returns the work of the keywords that apply subschemas to the members and elements of the place.
    fn below(&mut self, keywords: &'s Map<String, Value>, place: &Value, nesting: usize) -> Result<u64, TooMuchWork> {
        let mut work = 0;
        let named = keywords.get("properties").and_then(Value::as_object);
        for (keyword, argument) in keywords {
            work += match (keyword.as_str(), argument, place) {
                ("properties", Value::Object(schemas), Value::Object(members)) => {
                    let pairs = members.iter().filter_map(|(name, member)| Some((schemas.get(name)?, member)));
                    self.visit_pairs(pairs, nesting)?
                }
                ("patternProperties", Value::Object(schemas), Value::Object(members)) => {
                    let pairs = members.values().flat_map(|member| schemas.values().map(move |schema| (schema, member)));
                    self.visit_pairs(pairs, nesting)?
                }
                ("additionalProperties" | "unevaluatedProperties", schema, Value::Object(members)) => {
                    let others = members.iter().filter(|(name, _)| named.is_none_or(|named| !named.contains_key(*name)));
                    self.visit_pairs(others.map(|(_, member)| (schema, member)), nesting)?
                }
                ("propertyNames", schema, Value::Object(members)) => {
                    self.visit(schema, &Value::Null, nesting)?.saturating_mul(members.len() as u64)
                }
                ("items" | "prefixItems", Value::Array(schemas), Value::Array(elements)) => {
                    self.visit_pairs(schemas.iter().zip(elements), nesting)?
                }
                ("items" | "additionalItems" | "unevaluatedItems" | "contains", schema, Value::Array(elements)) => {
                    self.visit_pairs(elements.iter().map(|element| (schema, element)), nesting)?
                }
                ("uniqueItems", Value::Bool(true), Value::Array(elements)) => elements.len() as u64,
                _ => 0,
            };
            if work > MAX_WORK {
                return Err(TooMuchWork::Applications);
            }
        }
        Ok(work)
    }

    fn visit_all(&mut self, schemas: impl IntoIterator<Item = &'s Value>, place: &Value, nesting: usize) -> Result<u64, TooMuchWork> {
        let mut work = 0;
        for schema in schemas {
            work += self.visit(schema, place, nesting)?;
        }
        Ok(work)
    }

    fn visit_pairs<'v>(&mut self, pairs: impl Iterator<Item = (&'s Value, &'v Value)>, nesting: usize) -> Result<u64, TooMuchWork> {
        let mut work = 0;
        for (schema, place) in pairs {
            work += self.visit(schema, place, nesting)?;
            if work > MAX_WORK {
                return Err(TooMuchWork::Applications);
            }
        }
        Ok(work)
    }

    /// Returns the subschemas that a reference may mean: more than one if it is relative to an `$id`. The schemas of JSON Schema itself
    /// are not among them; they are never applied more than a few times to a place.
    fn targets(&self, reference: &str) -> Vec<&'s Value> {
        let (uri, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let fragment = percent_decode_str(fragment).decode_utf8_lossy();
        let is_named = |id: &str| uri.is_empty() || id.trim_end_matches('#').ends_with(uri.trim_start_matches("./"));
        let resources = self.names.resources.iter().filter(|(id, _)| is_named(id)).map(|(_, schema)| *schema);
        let root = uri.is_empty().then_some(self.root);
        let mut targets: Vec<&Value> = if fragment.is_empty() || fragment.starts_with('/') {
            root.into_iter().chain(resources).filter_map(|resource| resource.pointer(&fragment)).collect()
        } else {
            self.names.anchors.iter().filter(|(anchor, _)| *anchor == fragment).map(|(_, schema)| *schema).collect()
        };
        targets.sort_by_key(|target| std::ptr::from_ref(*target).addr());
        targets.dedup_by(|one, other| std::ptr::eq(*one, *other));
        targets
    }
}
