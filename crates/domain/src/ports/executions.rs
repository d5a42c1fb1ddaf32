//! The executions that drive runs.

use std::future::Future;

use crate::error::PortError;
use crate::run::Run;
use crate::time::Time;

/// What has become of a parked segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumption {
    /// It was parked, and goes on.
    Resumed,
    /// No segment waits for the token: it was used already, the wait is over, or the execution does not exist any more.
    TokenGone,
}

/// What has become of the request to start an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutionStart {
    /// The execution was started.
    Started,
    /// An execution of this name exists. It may be running, or over: a name is used only once.
    NameTaken,
}

/// The executions of the state machines that drive runs.
pub trait Executions {
    /// Starts the execution of the run's current segment. To start it again has no effect.
    fn start(&self, run: &Run, now: Time) -> impl Future<Output = Result<ExecutionStart, PortError>>;
    /// Returns whether the execution of the run's current segment exists and is over.
    fn is_over(&self, run: &Run) -> impl Future<Output = Result<bool, PortError>>;
    /// Resumes a parked segment by its task token. A token that is no longer valid is not an error: the segment has gone on, or its
    /// execution is gone.
    fn resume(&self, token: &str) -> impl Future<Output = Result<Resumption, PortError>>;
    /// Stops the execution of the run's current segment, if it is running.
    fn stop(&self, run: &Run) -> impl Future<Output = Result<(), PortError>>;
}
