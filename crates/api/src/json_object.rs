//! Small operations on JSON objects.

use serde_json::{Map, Value};

/// Returns `{name: value}` without copying the value.
pub fn named(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}

/// Sets a field of an object. Does nothing if `object` is not an object.
pub(crate) fn set(object: &mut Value, name: impl Into<String>, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.into(), value);
    }
}

/// Returns the object without the fields that are null.
pub(crate) fn without_nulls(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, field| !field.is_null());
    }
    value
}
