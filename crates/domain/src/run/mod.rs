//! Runs: what a run stores, and everything that can happen to it.
//!
//! A [`Run`] changes only through its methods. They take the time as an argument and do no I/O, so that a test can try every order of
//! events. A store makes each write of a run conditional on its `rev`.

mod execution;
mod plan;
mod record;
mod retried;
mod reuse;
mod rounds;
mod segment;
mod state;
mod transitions;

pub use crate::flow::Exit;
pub use crate::status::{NodeStatus, RunStatus, Trigger};
pub use execution::{ExecutionState, PendingEffect, STUCK_AFTER_SECONDS};
pub use plan::Plan;
pub use record::{Cancellation, NewRun, Run, RunError, TransitionError};
pub use retried::Retried;
pub use reuse::Reuse;
pub use rounds::Revised;
pub use state::{NodeState, Progress};
