//! Dispatches the pending effects that a crash left.

use domain::error::ApplicationError;
use domain::id::RunId;
use domain::ports::{Clock, Executions, PortError, RunLists, Runs};
use domain::run::{PendingEffect, Run};

use crate::{Engine, Ports};

impl<P: Ports> Engine<P> {
    /// Dispatches the pending effects of all runs in the outbox, and returns their number. One that fails does not hold up the others.
    pub async fn reconcile(&self, lists: &impl RunLists) -> Result<usize, ApplicationError> {
        let with_pending_effects = lists.with_pending_effects().await?;
        let mut failed = None;
        for id in &with_pending_effects {
            if let Err(error) = self.dispatch_for(id).await {
                tracing::error!(run = %id, %error, "a pending effect could not be dispatched");
                failed = Some(error);
            }
        }
        failed.map_or(Ok(with_pending_effects.len()), |error| Err(error.into()))
    }

    async fn dispatch_for(&self, id: &RunId) -> Result<(), PortError> {
        match self.runs.load(id).await? {
            Some(run) => self.dispatch(&run).await,
            None => Ok(()),
        }
    }

    /// Dispatches the pending effect of `run`. Doing it twice is harmless: executions have names, a task token works once, and a segment
    /// that wakes up reads the table.
    pub(crate) async fn dispatch(&self, run: &Run) -> Result<(), PortError> {
        match (run.execution.pending, &run.execution.token) {
            (None, _) => Ok(()),
            (Some(PendingEffect::SendTaskSuccess), Some(token)) => self.executions.resume(token).await,
            // Nothing has parked yet: the segment finds what has happened when it comes to Park.
            (Some(PendingEffect::SendTaskSuccess), None) | (Some(PendingEffect::StartExecution), _) => {
                self.executions.start(run, self.clock.now()).await
            }
        }
    }
}
