//! What nodes do outside.

use std::future::Future;

use super::effect::{CallContext, Effect, EffectError};
use crate::request::Request;

/// Performs the effects of nodes.
pub trait Effects {
    /// Sends one request, once.
    fn perform(&self, context: &CallContext, request: &Request) -> impl Future<Output = Result<Effect, EffectError>>;
}
