//! What a crash left owing is paid.

use domain::fault::Fault;
use domain::id::RunId;
use domain::ports::{Clock, Flows, PortError, RunLists, Runs, Segments};
use domain::run::{Debt, Run};

use crate::Engine;

impl<R: Runs, F: Flows, S: Segments, C: Clock> Engine<R, F, S, C> {
    /// Pays the debts of all runs in the outbox; gives how many were found. One that cannot be paid does not hold up the others.
    pub async fn reconcile(&self, lists: &impl RunLists) -> Result<usize, Fault> {
        let indebted = lists.indebted().await?;
        let mut failed = None;
        for id in &indebted {
            if let Err(error) = self.pay_for(id).await {
                tracing::error!(run = %id, %error, "a debt could not be paid");
                failed = Some(error);
            }
        }
        failed.map_or(Ok(indebted.len()), |error| Err(error.into()))
    }

    async fn pay_for(&self, id: &RunId) -> Result<(), PortError> {
        match self.runs.load(id).await? {
            Some(run) => self.pay(&run).await,
            None => Ok(()),
        }
    }

    /// Carries out what `run` owes. Doing it twice is doing it once: executions have names, a bell rings once, and what wakes
    /// up looks at the table.
    pub(crate) async fn pay(&self, run: &Run) -> Result<(), PortError> {
        match (run.drive.owes, &run.drive.token) {
            (None, _) => Ok(()),
            (Some(Debt::Ring), Some(token)) => self.segments.ring(token).await,
            // Nothing has parked yet: the segment finds what has happened when it comes to Park.
            (Some(Debt::Ring), None) | (Some(Debt::Start), _) => self.segments.start(run, self.clock.now()).await,
        }
    }
}
