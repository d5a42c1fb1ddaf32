//! From a node and the data of its run to what the node has to do.

mod model;
mod prepare;

pub use crate::gate::Question;
pub use model::{HttpCall, LlmRequest, Pause, Request, ServiceRequest, Turn, Work};
pub use prepare::Unprepared;
