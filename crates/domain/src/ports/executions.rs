//! The executions that drive runs.

use std::future::Future;

use crate::error::PortError;
use crate::run::Run;
use crate::time::Time;

/// The executions of the state machines that drive runs.
pub trait Executions {
    /// Starts the execution of the run's current segment. To start it again has no effect.
    fn start(&self, run: &Run, now: Time) -> impl Future<Output = Result<(), PortError>>;
    /// Resumes a parked segment by its task token. A token that is no longer valid is not an error: the segment has gone on.
    fn resume(&self, token: &str) -> impl Future<Output = Result<(), PortError>>;
    /// Stops the execution of the run's current segment, if it is running.
    fn stop(&self, run: &Run) -> impl Future<Output = Result<(), PortError>>;
}
