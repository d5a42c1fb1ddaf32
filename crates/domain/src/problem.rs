//! Validation problems of a request, field by field.

use std::collections::BTreeMap;
use std::fmt::Display;

/// Validation problems by JSON path (`spec.nodes[2].userPrompt`); all of them, not only the first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldErrors(BTreeMap<String, Vec<String>>);

impl FieldErrors {
    /// Returns no problems.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns one problem.
    pub fn one(path: impl Into<String>, problem: impl Display) -> Self {
        let mut errors = Self::new();
        errors.add(path, problem);
        errors
    }

    /// Adds a problem at a path, unless it is there already.
    pub fn add(&mut self, path: impl Into<String>, problem: impl Display) {
        let problems = self.0.entry(path.into()).or_default();
        let text = problem.to_string();
        if !problems.contains(&text) {
            problems.push(text);
        }
    }

    /// Adds the problems of another check.
    pub fn extend(&mut self, other: Self) {
        for (path, problems) in other.0 {
            for problem in problems {
                self.add(path.clone(), problem);
            }
        }
    }

    /// Returns whether there is no problem.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns `value` if there is no problem, and the problems otherwise.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }

    /// Returns the problems by path.
    pub fn by_path(&self) -> &BTreeMap<String, Vec<String>> {
        &self.0
    }
}
