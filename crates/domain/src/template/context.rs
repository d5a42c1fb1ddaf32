//! The data that templates read, and the errors of filling them in.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::json::{MAX_DEPTH, depth_is_within, length_up_to};
use crate::name::NodeId;

/// The most bytes of JSON that the templates of one node may have when they are filled in: as much as an output may have.
pub const MAX_FILLED_BYTES: usize = 25 * 1024 * 1024;

/// The output of a node, as expressions read it.
#[derive(Debug, Clone)]
pub struct Output {
    /// The value.
    pub value: Arc<Value>,
    /// On an `llm_step`, `output.x` falls back to `output.parsed.x`.
    pub falls_back_to_parsed: bool,
}

/// The data that expressions can name.
#[derive(Debug)]
pub struct TemplateContext<'a> {
    /// The input of the run.
    pub trigger: &'a Value,
    /// The outputs of the nodes that have one.
    pub outputs: &'a BTreeMap<NodeId, Output>,
    /// `${run.id}`.
    pub run_id: String,
    /// `${run.traceId}`.
    pub trace_id: String,
}

/// The error of filling in a template.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum FillError {
    /// A path does not exist.
    #[error("`{path}` is not there{hint}")]
    Missing {
        /// The expression.
        path: String,
        /// What that means, if there is more to say.
        hint: &'static str,
    },
    /// The values are too large together.
    #[error("the value of `{0}` makes this step's templates larger than {MAX_FILLED_BYTES} bytes; pass a reference instead")]
    TooLarge(String),
    /// The value is nested too deeply in its place.
    #[error("the value of `{0}` would be nested more than {MAX_DEPTH} levels deep in its place")]
    TooDeep(String),
}

/// Fills in the templates of one node. Sizes and depths are checked for each value before it is copied into its place, so that what
/// a template expands to is bounded while it is filled in and not only afterwards.
#[derive(Debug)]
pub(crate) struct Filler<'a> {
    pub(super) context: &'a TemplateContext<'a>,
    bytes_left: Cell<usize>,
}

impl<'a> Filler<'a> {
    pub(crate) fn new(context: &'a TemplateContext<'a>) -> Self {
        Self { context, bytes_left: Cell::new(MAX_FILLED_BYTES) }
    }

    /// Returns the data of the run.
    pub(crate) fn context(&self) -> &'a TemplateContext<'a> {
        self.context
    }

    /// Takes the bytes of a value from what is left, and checks that it may be put `depth` levels deep. `path` names it in errors.
    pub(super) fn admit(&self, value: &Value, depth: usize, path: &dyn std::fmt::Display) -> Result<(), FillError> {
        if !depth_is_within(value, MAX_DEPTH.saturating_sub(depth)) {
            return Err(FillError::TooDeep(path.to_string()));
        }
        let left = self.bytes_left.get();
        let bytes = length_up_to(value, left).ok_or_else(|| FillError::TooLarge(path.to_string()))?;
        self.bytes_left.set(left.saturating_sub(bytes));
        Ok(())
    }
}
