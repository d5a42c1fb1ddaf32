//! JSON Schemas of flows, and validations whose work is bounded.

mod compiled;
mod work;

pub use compiled::{BadSchema, Schema, Violation};
pub use work::{MAX_NESTING, MAX_WORK, TooMuchWork};
