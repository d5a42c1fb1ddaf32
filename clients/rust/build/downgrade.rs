//! Converts OpenAPI 3.1 to 3.0: the same schemas in the older dialect. Whatever a client does not need is left out, so the 3.0 schema
//! may accept more than the document does, and never less.

use std::error::Error;

use serde_json::{Map, Number, Value, json};
use yaml_rust2::{Yaml, YamlLoader};

/// Returns a 3.0 document for a 3.1 document in YAML. Fails if it is empty or is not a JSON-like document.
pub fn to_3_0(yaml: &str) -> Result<Value, Box<dyn Error>> {
    let document = YamlLoader::load_from_str(yaml)?.into_iter().next().ok_or("the document is empty")?;
    let mut document = json_of(&document)?;
    if let Some(fields) = document.as_object_mut() {
        fields.insert("openapi".to_owned(), json!("3.0.3"));
        fields.remove("webhooks");
        fields.remove("jsonSchemaDialect");
        if let Some(Value::Object(info)) = fields.get_mut("info") {
            info.remove("summary");
            info.remove("license");
        }
    }
    if let Some(Value::Object(schemas)) = document.pointer_mut("/components/schemas") {
        let any = any_error(schemas);
        schemas.insert(ANY_ERROR.to_owned(), any);
    }
    if let Some(Value::Object(paths)) = document.get_mut("paths") {
        paths
            .values_mut()
            .filter_map(Value::as_object_mut)
            .for_each(|operations| operations.retain(|_, operation| !is_for_browsers(operation)));
    }
    outside(&mut document);
    Ok(document)
}

/// Returns whether an operation only ever redirects: it is for browsers, and the generator knows no such response.
fn is_for_browsers(operation: &Value) -> bool {
    let responses = operation.get("responses").and_then(Value::as_object);
    responses.is_some_and(|responses| !responses.keys().any(|code| code.starts_with('2')))
}

/// Converts the schemas inside a value that is not a schema itself.
fn outside(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(outside),
        Value::Object(fields) => {
            // These contain data, and nothing is generated from them.
            for name in ["example", "examples", "links", "callbacks"] {
                fields.remove(name);
            }
            if let Some(Value::Object(responses)) = fields.get_mut("responses") {
                errors(responses);
            }
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("schema", value) => schema(value),
                    ("schemas", Value::Object(all)) => all.values_mut().for_each(schema),
                    (_, value) => outside(value),
                }
            }
        }
        _ => {}
    }
}

/// The name of the schema that stands for every error.
const ANY_ERROR: &str = "AnyError";

/// Returns one schema with the fields of all error schemas: the generator accepts one error type for each operation.
fn any_error(schemas: &Map<String, Value>) -> Value {
    let errors = schemas.iter().filter(|(name, _)| name.ends_with("Error"));
    let properties = errors.filter_map(|(_, error)| error.get("properties")?.as_object()).flatten();
    let properties: Map<_, _> = properties.map(|(name, schema)| (name.clone(), schema.clone())).collect();
    json!({"type": "object", "required": ["error"], "properties": properties})
}

fn errors(responses: &mut Map<String, Value>) {
    let before = responses.len();
    responses.retain(|code, _| !code.starts_with(['4', '5']));
    if responses.len() < before {
        let schema = json!({"$ref": format!("#/components/schemas/{ANY_ERROR}")});
        let error = json!({"description": "An error.", "content": {"application/json": {"schema": schema}}});
        responses.insert("4XX".to_owned(), error.clone());
        responses.insert("5XX".to_owned(), error);
    }
}

/// The keywords that are left out: those that OpenAPI 3.0 does not have, and bounds and defaults, which are for the server to apply. A
/// client with bounds would refuse values that a newer server accepts, and a client with defaults would send values that the user did not
/// give.
const LEFT_OUT: &[&str] = &[
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "const",
    "contains",
    "contentEncoding",
    "contentMediaType",
    "default",
    "dependentRequired",
    "else",
    "example",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "if",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "pattern",
    "patternProperties",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedProperties",
    "uniqueItems",
];

fn schema(value: &mut Value) {
    if value.is_boolean() {
        *value = json!({});
    }
    let Value::Object(fields) = value else { return };
    // In 3.0, a reference has no siblings.
    if let Some(reference) = fields.get("$ref").cloned() {
        *fields = Map::from_iter([("$ref".to_owned(), reference)]);
        return;
    }
    types(fields);
    choices(fields);
    if let Some(constant) = fields.get("const").cloned() {
        fields.entry("type").or_insert_with(|| json!(type_of(&constant)));
        fields.insert("enum".to_owned(), json!([constant]));
    }
    fields.retain(|name, _| !LEFT_OUT.contains(&name.as_str()));
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("properties", Value::Object(all)) => all.values_mut().for_each(schema),
            ("allOf" | "anyOf" | "oneOf", Value::Array(all)) => all.iter_mut().for_each(schema),
            ("items", value) => schema(value),
            ("additionalProperties", value) if value.is_object() => schema(value),
            _ => {}
        }
    }
}

/// Converts `[T, "null"]` to `nullable`. Other choices between types are dropped.
fn types(fields: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = fields.get("type").cloned() else { return };
    let others: Vec<_> = types.iter().filter(|name| *name != "null").collect();
    if others.len() < types.len() {
        fields.insert("nullable".to_owned(), json!(true));
    }
    match others.as_slice() {
        [only] => fields.insert("type".to_owned(), (*only).clone()),
        _ => fields.remove("type"),
    };
}

/// Converts a choice between a schema and null to `nullable`.
fn choices(fields: &mut Map<String, Value>) {
    let mut nullable = false;
    for name in ["anyOf", "oneOf", "enum"] {
        let Some(Value::Array(all)) = fields.get_mut(name) else { continue };
        let before = all.len();
        all.retain(|choice| !choice.is_null() && choice.get("type") != Some(&json!("null")));
        nullable |= all.len() < before;
        // The generator understands `allOf` with one reference.
        if name != "enum" && all.len() == 1 {
            let only = fields.remove(name);
            fields.insert("allOf".to_owned(), only.unwrap_or_default());
        }
    }
    if nullable {
        fields.insert("nullable".to_owned(), json!(true));
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::Null | Value::String(_) => "string",
    }
}

fn json_of(yaml: &Yaml) -> Result<Value, Box<dyn Error>> {
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Boolean(value) => json!(value),
        Yaml::Integer(value) => json!(value),
        Yaml::Real(text) => Value::Number(Number::from_f64(text.parse()?).ok_or("a number is not finite")?),
        Yaml::String(text) => json!(text),
        Yaml::Array(items) => Value::Array(items.iter().map(json_of).collect::<Result<_, _>>()?),
        Yaml::Hash(pairs) => {
            let fields = pairs.iter().map(|(name, value)| match name {
                Yaml::String(name) => Ok((name.clone(), json_of(value)?)),
                // Status codes are written without quotes.
                Yaml::Integer(name) => Ok((name.to_string(), json_of(value)?)),
                other => Err(format!("a key is no text: {other:?}").into()),
            });
            Value::Object(fields.collect::<Result<_, Box<dyn Error>>>()?)
        }
        Yaml::Alias(_) | Yaml::BadValue => return Err("an alias or a bad value".into()),
    })
}
