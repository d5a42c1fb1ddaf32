//! The dead-letter queues of workers.

use std::future::Future;

use crate::error::PortError;

/// The dead-letter queue of a worker: an operator reads it, and no program does.
pub trait DeadLetters {
    /// Adds a letter. The same one may be added more than once.
    fn put(&self, letter: &str) -> impl Future<Output = Result<(), PortError>>;
}
