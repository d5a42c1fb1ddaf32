//! Where work goes that can never be done.

use std::future::Future;

use super::PortError;

/// The dead-letter queue of a worker: an operator reads it, and no program does.
pub trait DeadLetters {
    /// Adds a letter. The same one may be added more than once.
    fn put(&self, letter: &str) -> impl Future<Output = Result<(), PortError>>;
}
