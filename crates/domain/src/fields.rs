//! Reading a body field by field.

use serde_json::{Map, Value};

use crate::problem::FieldErrors;
use crate::time::Time;

/// A body whose fields are taken out one by one; what is left over is an error.
pub(crate) struct Fields {
    rest: Map<String, Value>,
    pub(crate) errors: FieldErrors,
}

impl Fields {
    pub(crate) fn of(body: &Map<String, Value>) -> Self {
        Self { rest: body.clone(), errors: FieldErrors::new() }
    }

    /// `null` counts as left out.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.rest.remove(name).filter(|value| !value.is_null())
    }

    fn noted<T>(&mut self, path: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|problem| self.errors.add(path, problem)).ok()
    }

    /// A required string.
    pub(crate) fn text<T>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let read = match self.take(name) {
            None => Err("is required".to_owned()),
            Some(Value::String(text)) => read(&text),
            Some(_) => Err("must be a string".to_owned()),
        };
        self.noted(name, read)
    }

    /// A string, if it is there.
    pub(crate) fn optional_text<T>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let read = match self.take(name)? {
            Value::String(text) => read(&text),
            _ => Err("must be a string".to_owned()),
        };
        self.noted(name, read)
    }

    /// Yes or no, if it is there.
    pub(crate) fn switch(&mut self, name: &str) -> Option<bool> {
        let read = self.take(name)?.as_bool().ok_or_else(|| "must be true or false".to_owned());
        self.noted(name, read)
    }

    /// An array of strings, if it is there; those that can be read.
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

    /// A time that has not come yet, if it is there.
    pub(crate) fn time_ahead(&mut self, name: &str, now: Time) -> Option<Time> {
        let time = match self.take(name)? {
            Value::String(text) => text.parse::<Time>().map_err(|problem| problem.to_string()),
            _ => Err("must be a string".to_owned()),
        };
        let ahead = time.and_then(|time| if time > now { Ok(time) } else { Err("must lie in the future".to_owned()) });
        self.noted(name, ahead)
    }

    pub(crate) fn finish(mut self) -> FieldErrors {
        for name in self.rest.keys() {
            self.errors.add(name.as_str(), "is not a field that belongs here");
        }
        self.errors
    }
}
