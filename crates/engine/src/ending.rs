//! A run is called off, by a person or because it cannot go on.

use domain::error::ApplicationError;
use domain::id::{OrgId, RunId};
use domain::ports::{Clock, CommitError, Executions, Runs};
use domain::run::{Run, RunStatus, TransitionError};

use crate::{Engine, Ports, storm};

impl<P: Ports> Engine<P> {
    /// Cancels a run: once this returns no further node starts. Cancelling a cancelled run changes nothing and is no error.
    pub async fn cancel(&self, org: &OrgId, id: &RunId, actor: &str, reason: Option<String>) -> Result<Run, ApplicationError> {
        for _ in 0..crate::MAX_TRIES {
            let before = self.run_of(org, id).await?;
            if before.status == RunStatus::Cancelled {
                return Ok(before);
            }
            let mut run = before.clone();
            run.cancel(actor, reason.clone(), self.clock.now())?;
            match self.end(&before, run).await {
                Ok(run) => {
                    // Only tidying: a segment that is left parked finds the run ended when its time is up.
                    if let Err(error) = self.executions.stop(&run).await {
                        tracing::warn!(run = %run.id, trace = run.trace_id, %error, "the segment of a cancelled run was not stopped");
                    }
                    return Ok(run);
                }
                Err(CommitError::Changed) => {}
                Err(CommitError::Port(error)) => return Err(error.into()),
            }
        }
        Err(storm())
    }

    /// The execution of a segment failed for good. If the run is still on that segment it becomes failed, with the cause.
    /// Gives the run if this changed it.
    pub async fn settle(&self, id: &RunId, segment: u32, cause: &str) -> Result<Option<Run>, ApplicationError> {
        for _ in 0..crate::MAX_TRIES {
            let Some(before) = self.runs.load(id).await? else { return Ok(None) };
            let mut run = before.clone();
            match run.abandon(segment, cause, self.clock.now()) {
                Ok(()) => {}
                // It ended, and if it owed its last segment a resume, there is nobody left to hear it.
                Err(TransitionError::Ended(_)) => {
                    self.tidy(before, segment).await?;
                    return Ok(None);
                }
                // A later segment drives it: the failure concerns nobody any more.
                Err(TransitionError::Superseded) => return Ok(None),
                Err(refusal) => return Err(refusal.into()),
            }
            match self.end(&before, run).await {
                Ok(run) => return Ok(Some(run)),
                Err(CommitError::Changed) => {}
                Err(CommitError::Port(error)) => return Err(error.into()),
            }
        }
        Err(storm())
    }

    async fn end(&self, before: &Run, run: Run) -> Result<Run, CommitError> {
        let mut gates = Vec::new();
        self.close_gates(before, &mut gates, self.clock.now()).await?;
        self.runs.commit(run, &gates).await
    }
}
