//! Ends a run from outside: a caller cancels it, or its execution has failed.

use domain::access::Actor;
use domain::error::ApplicationError;
use domain::id::{OrgId, RunId};
use domain::ports::{Clock, CommitError, Executions, PortError, Runs, UpdateError, optimistic_update};
use domain::run::{Run, RunStatus, TransitionError};

use crate::{Engine, Ports};

impl<P: Ports> Engine<P> {
    /// Cancels a run: after this has returned no further node starts. Cancelling a cancelled run changes nothing and is no error. Fails
    /// with `Conflict` if the run has ended otherwise.
    pub async fn cancel(&self, org: &OrgId, id: &RunId, actor: &Actor, reason: Option<String>) -> Result<Run, ApplicationError> {
        let cancelled = optimistic_update("the run", async || {
            let before = self.run_of(org, id).await?;
            if before.status == RunStatus::Cancelled {
                return Ok((before, false));
            }
            let mut run = before.clone();
            run.cancel(actor.recorded(), reason.clone(), self.clock.now())?;
            Ok((self.commit_end(&before, run).await?, true))
        });
        let (run, is_new) = cancelled.await?;
        // The execution is of no use any more. If it is not stopped, it finds the run ended when its time is up.
        if is_new && let Err(error) = self.executions.stop(&run).await {
            tracing::warn!(run = %run.id, trace = run.trace_id, %error, "the segment of a cancelled run was not stopped");
        }
        Ok(run)
    }

    /// Fails a run whose execution has failed for good, if the run is still on that segment; `cause` becomes its error. Returns the run
    /// if this has changed it.
    pub async fn settle(&self, id: &RunId, segment: u32, cause: &str) -> Result<Option<Run>, ApplicationError> {
        let settled = optimistic_update("the run", async || {
            let Some(before) = self.runs.load(id).await? else { return Ok(None) };
            let mut run = before.clone();
            match run.abandon(segment, cause, self.clock.now()) {
                Ok(()) => Ok(Some(self.commit_end(&before, run).await?)),
                // The run has ended. If it still has a resume of this segment pending, no execution is left that could receive it.
                Err(TransitionError::Ended(_)) => {
                    self.clear_pending(before, segment).await?;
                    Ok(None)
                }
                // A later segment drives the run, so the failure does not matter any more.
                Err(TransitionError::Superseded) => Ok(None),
                Err(error) => Err(UpdateError::from(error)),
            }
        });
        settled.await
    }

    async fn commit_end(&self, before: &Run, run: Run) -> Result<Run, CommitError> {
        let mut gates = Vec::new();
        self.close_gates(before, &mut gates, self.clock.now()).await?;
        self.runs.commit(run, &gates).await
    }

    /// Clears the pending effect of a run that has ended, once its last segment is over.
    pub(crate) async fn clear_pending(&self, mut run: Run, segment: u32) -> Result<(), PortError> {
        // A run that has ended gets no owner.
        if run.execution.pending.is_some() && run.claim("", segment).is_ok() {
            match self.runs.commit(run, &[]).await {
                // The only change that an ended run can undergo is this one.
                Ok(_) | Err(CommitError::Changed) => {}
                Err(CommitError::Port(error)) => return Err(error),
            }
        }
        Ok(())
    }
}
