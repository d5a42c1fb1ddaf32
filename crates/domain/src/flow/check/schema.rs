//! JSON Schemas: whether they are valid, and whether a keyword is misspelt.

use serde_json::Value;

/// The keywords of JSON Schema that this check knows (drafts 4 to 2020-12), and those of `OpenAPI` that people use with it.
const KEYWORDS: &[&str] = &[
    "$anchor",
    "$comment",
    "$defs",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$recursiveAnchor",
    "$recursiveRef",
    "$ref",
    "$schema",
    "$vocabulary",
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "contains",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "default",
    "definitions",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "deprecated",
    "description",
    "discriminator",
    "else",
    "enum",
    "example",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "id",
    "if",
    "items",
    "maxContains",
    "maximum",
    "maxItems",
    "maxLength",
    "maxProperties",
    "minContains",
    "minimum",
    "minItems",
    "minLength",
    "minProperties",
    "multipleOf",
    "not",
    "nullable",
    "oneOf",
    "pattern",
    "patternProperties",
    "prefixItems",
    "properties",
    "propertyNames",
    "readOnly",
    "required",
    "then",
    "title",
    "type",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
    "writeOnly",
];
/// Keywords whose value is a schema, or an array of schemas.
const SCHEMAS: &[&str] = &[
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "oneOf",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords whose value is an object of schemas by names that are not keywords.
const NAMED_SCHEMAS: &[&str] = &["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"];
/// The most levels of a schema that are checked; deeper ones are refused by the depth of the body.
const MAX_LEVELS: usize = 128;

/// Checks a schema. Returns what is wrong with it, each with its path below the schema (`.properties.a`).
pub(in crate::flow) fn check_schema(schema: &Value) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    misspelt(schema, "", MAX_LEVELS, &mut problems);
    if let Err(problem) = jsonschema::validator_for(schema) {
        problems.push((String::new(), format!("is not a valid JSON Schema: {problem} (at `{}`)", problem.instance_path())));
    }
    problems
}

fn misspelt(schema: &Value, path: &str, levels: usize, problems: &mut Vec<(String, String)>) {
    let (Some(fields), Some(levels)) = (schema.as_object(), levels.checked_sub(1)) else { return };
    for name in ruled_out(fields) {
        let problem =
            format!("requires `{name}`, which `properties` does not have and `additionalProperties` forbids: no value satisfies it");
        problems.push((format!("{path}.required"), problem));
    }
    for (key, value) in fields {
        let below = format!("{path}.{key}");
        if SCHEMAS.contains(&key.as_str()) {
            match value {
                Value::Array(parts) => {
                    for (at, part) in parts.iter().enumerate() {
                        misspelt(part, &format!("{below}[{at}]"), levels, problems);
                    }
                }
                part => misspelt(part, &below, levels, problems),
            }
        } else if NAMED_SCHEMAS.contains(&key.as_str()) {
            for (name, part) in value.as_object().into_iter().flatten() {
                misspelt(part, &format!("{below}.{name}"), levels, problems);
            }
        } else if !KEYWORDS.contains(&key.as_str())
            && let Some(meant) = meant(key)
        {
            problems.push((below, format!("is not a keyword of JSON Schema and would be ignored; write `{meant}`")));
        }
    }
}

/// Words of other schema languages that people write for a keyword.
const SYNONYMS: [(&str, &str); 10] = [
    ("fields", "properties"),
    ("length", "maxLength"),
    ("max", "maximum"),
    ("maxlen", "maxLength"),
    ("min", "minimum"),
    ("minlen", "minLength"),
    ("oneof", "oneOf"),
    ("regex", "pattern"),
    ("regexp", "pattern"),
    ("values", "enum"),
];

/// Returns the keyword that somebody probably meant.
fn meant(key: &str) -> Option<&'static str> {
    let lower = key.to_lowercase();
    let synonym = SYNONYMS.iter().find(|(word, _)| *word == lower).map(|(_, keyword)| *keyword);
    synonym.or_else(|| KEYWORDS.iter().find(|keyword| is_close(key, keyword)).copied())
}

/// Returns the required fields that a schema of an object rules out itself: no value satisfies it.
fn ruled_out(fields: &serde_json::Map<String, Value>) -> Vec<&str> {
    let is_closed = fields.get("additionalProperties") == Some(&Value::Bool(false)) && !fields.contains_key("patternProperties");
    let known = fields.get("properties").and_then(Value::as_object);
    let required = fields.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    required.filter(|name| is_closed && known.is_none_or(|known| !known.contains_key(*name))).collect()
}

/// Returns whether two words of at least five letters differ in one or two letters: left out, added, replaced or swapped.
fn is_close(word: &str, keyword: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (word.to_lowercase().chars().collect(), keyword.to_lowercase().chars().collect());
    let shorter = a.len().min(b.len());
    if shorter < 4 || a.len().abs_diff(b.len()) > 2 {
        return false;
    }
    distance(&a, &b) <= if shorter < 7 { 1 } else { 2 }
}

/// Returns the number of letters to leave out, add, replace or swap with a neighbour to get from one word to the other.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, right) in b.iter().enumerate() {
            let at = |cells: &[usize], at: usize| cells.get(at).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&last, j) + usize::from(left != right);
            let mut best = replaced.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let is_swap = i > 0 && j > 0 && a.get(i - 1) == Some(right) && b.get(j - 1) == Some(left);
            if is_swap {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}
