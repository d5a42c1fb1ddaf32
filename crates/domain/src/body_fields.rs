//! Reads the body of a request field by field.

use serde_json::{Map, Value};

use crate::problem::FieldErrors;
use crate::time::Time;

/// A body whose fields are taken out one by one. Fields that are left over at the end are problems.
pub(crate) struct BodyFields {
    rest: Map<String, Value>,
    pub(crate) errors: FieldErrors,
}

impl BodyFields {
    pub(crate) fn of(body: &Map<String, Value>) -> Self {
        Self { rest: body.clone(), errors: FieldErrors::new() }
    }

    /// Takes a field out of the body; `null` counts as left out.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.rest.remove(name).filter(|value| !value.is_null())
    }

    fn noted<T>(&mut self, path: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|problem| self.errors.add(path, problem)).ok()
    }

    /// Reads a required string.
    pub(crate) fn text<T>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let read = match self.take(name) {
            None => Err("is required".to_owned()),
            Some(Value::String(text)) => read(&text),
            Some(_) => Err("must be a string".to_owned()),
        };
        self.noted(name, read)
    }

    /// Reads a string, if it was sent.
    pub(crate) fn optional_text<T>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let read = match self.take(name)? {
            Value::String(text) => read(&text),
            _ => Err("must be a string".to_owned()),
        };
        self.noted(name, read)
    }

    /// Reads an object, if it was sent.
    pub(crate) fn object(&mut self, name: &str) -> Option<Map<String, Value>> {
        match self.take(name)? {
            Value::Object(fields) => Some(fields),
            _ => self.noted(name, Err("must be an object".to_owned())),
        }
    }

    /// Reads a boolean, if it was sent.
    pub(crate) fn switch(&mut self, name: &str) -> Option<bool> {
        let read = self.take(name)?.as_bool().ok_or_else(|| "must be true or false".to_owned());
        self.noted(name, read)
    }

    /// Reads an array of strings, if it was sent, and returns the items that are valid.
    pub(crate) fn texts<T>(&mut self, name: &str, max: usize, read: impl Fn(&str) -> Result<T, String>) -> Option<Vec<T>> {
        let items = match self.take(name)? {
            Value::Array(items) if items.len() <= max => items,
            _ => {
                self.errors.add(name, format!("must be an array of at most {max} strings"));
                return None;
            }
        };
        let read_item = |(at, item): (usize, &Value)| {
            let read = item.as_str().ok_or_else(|| "must be a string".to_owned()).and_then(&read);
            self.noted(&format!("{name}[{at}]"), read)
        };
        Some(items.iter().enumerate().filter_map(read_item).collect())
    }

    /// Reads a time in the future, if it was sent.
    pub(crate) fn time_ahead(&mut self, name: &str, now: Time) -> Option<Time> {
        let time = match self.take(name)? {
            Value::String(text) => text.parse::<Time>().map_err(|problem| problem.to_string()),
            _ => Err("must be a string".to_owned()),
        };
        let ahead = time.and_then(|time| if time > now { Ok(time) } else { Err("must be in the future".to_owned()) });
        self.noted(name, ahead)
    }

    pub(crate) fn finish(mut self) -> FieldErrors {
        for name in self.rest.keys() {
            self.errors.add(name.as_str(), "is not a field that belongs here");
        }
        self.errors
    }
}
