//! The optimistic update: load, decide, write on a condition, and decide again if the condition failed.

use super::{CommitError, PortError};
use crate::error::ApplicationError;

/// The number of times that an update is decided before it gives up, because what it is about has changed each time. Each refusal means that another process has
/// written successfully, so more of them in a row are exceptional load, and the caller does better to try again later.
pub const MAX_UPDATE_TRIES: usize = 25;

/// Why one try of an update did not write.
#[derive(Debug)]
pub enum UpdateError {
    /// What was loaded has changed before it was written: the update is to be decided again.
    Changed,
    /// The update cannot be done.
    Failed(ApplicationError),
}

impl From<CommitError> for UpdateError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Changed => Self::Changed,
            CommitError::Port(error) => Self::Failed(error.into()),
        }
    }
}

impl<E> From<E> for UpdateError
where
    ApplicationError: From<E>,
{
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Calls `attempt`, which loads, decides and writes, until its write is accepted or it fails. `what` names what is written, for the error
/// text. Fails with `Unavailable` after [`MAX_UPDATE_TRIES`] refused writes.
pub async fn optimistic_update<T>(what: &str, mut attempt: impl AsyncFnMut() -> Result<T, UpdateError>) -> Result<T, ApplicationError> {
    for _ in 0..MAX_UPDATE_TRIES {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(UpdateError::Changed) => {}
            Err(UpdateError::Failed(error)) => return Err(error),
        }
    }
    Err(PortError::Unavailable(format!("{what} changed {MAX_UPDATE_TRIES} times while this was being decided")).into())
}
