//! Ends runs from outside, and completes the end of every run.
//!
//! The end of a run is one small write. The gates that were open are closed after it, each by a write of its own, as a pending effect of
//! the run; until then they are read as closed, because their run has ended.

use domain::access::Actor;
use domain::error::ApplicationError;
use domain::id::{OrgId, RunId};
use domain::ports::{Clock, CommitError, Executions, PortError, Resumption, Runs, UpdateError, optimistic_update, spec_for};
use domain::run::{PendingEffect, Run, RunStatus, STUCK_AFTER_SECONDS, TransitionError};
use futures_util::stream::{StreamExt, TryStreamExt, iter};

use crate::{Engine, Ports};

/// The number of gates that are closed at the same time.
const CONCURRENT_GATES: usize = 8;

impl<P: Ports> Engine<P> {
    /// Cancels a run: after this has returned no further node starts. Cancelling a cancelled run changes nothing and is no error. Fails
    /// with `Conflict` if the run has ended otherwise.
    pub async fn cancel(&self, org: &OrgId, id: &RunId, actor: &Actor, reason: Option<String>) -> Result<Run, ApplicationError> {
        let cancelled = optimistic_update("the run", async || {
            let mut run = self.run_of(org, id).await?;
            if run.status == RunStatus::Cancelled {
                return Ok((run, false));
            }
            run.cancel(actor.recorded(), reason.clone(), self.clock.now())?;
            Ok((self.runs.commit(run, &[]).await?, true))
        });
        let (run, is_new) = cancelled.await?;
        if !is_new {
            return Ok(run);
        }
        let run = self.try_dispatch_end(run).await;
        // The execution is of no use any more. If it is not stopped, it finds the run ended when its time is up.
        if let Err(error) = self.executions.stop(&run).await {
            tracing::warn!(run = %run.id, trace = run.trace_id, %error, "the segment of a cancelled run was not stopped");
        }
        Ok(run)
    }

    /// Fails a run whose execution has failed for good, if the run is still on that segment; `cause` becomes its error. A run that has
    /// progressed during that segment goes on in the next segment instead. Returns the run if this has ended it.
    pub async fn settle(&self, id: &RunId, segment: u32, cause: &str) -> Result<Option<Run>, ApplicationError> {
        self.settle_unless(id, segment, cause, Run::has_progressed_in_segment).await
    }

    /// Settles a run whose execution was stopped from outside, as [`settle`](Self::settle) does. A run that only waited in that execution
    /// goes on waiting in the next segment: none of its work was stopped, and its reviewers have been promised the time that the flow gives.
    pub async fn settle_stopped(&self, id: &RunId, segment: u32, cause: &str) -> Result<Option<Run>, ApplicationError> {
        self.settle_unless(id, segment, cause, |run| run.execution.owner.is_none()).await
    }

    /// Fails a run that is on this segment, or begins its next segment if `goes_on` accepts the run.
    async fn settle_unless(
        &self,
        id: &RunId,
        segment: u32,
        cause: &str,
        goes_on: impl Fn(&Run) -> bool,
    ) -> Result<Option<Run>, ApplicationError> {
        let settled = optimistic_update("the run", async || {
            let Some(mut run) = self.runs.load(id).await? else { return Ok(None) };
            let now = self.clock.now();
            let is_on_segment = run.execution.segment == segment;
            if is_on_segment && !run.has_ended() && goes_on(&run) {
                run.end_segment(None, now)?;
                return Ok(Some(self.runs.commit(run, &[]).await?));
            }
            match run.abandon(segment, cause, now) {
                Ok(()) => Ok(Some(self.runs.commit(run, &[]).await?)),
                // The run has ended. If it still has a resume of this segment pending, no execution is left that could receive it.
                Err(TransitionError::Ended(_)) => {
                    self.finish(run, segment).await?;
                    Ok(None)
                }
                // A later segment drives the run, so the failure does not matter any more.
                Err(TransitionError::Superseded) => Ok(None),
                Err(error) => Err(UpdateError::from(error)),
            }
        });
        let Some(run) = settled.await? else { return Ok(None) };
        if run.has_ended() {
            return Ok(Some(self.try_dispatch_end(run).await));
        }
        if let Err(error) = self.executions.start(&run, self.clock.now()).await {
            tracing::warn!(run = %run.id, trace = run.trace_id, %error, "the next segment was not started; it is pending");
        }
        Ok(None)
    }

    /// Carries out the pending effect of a run that has ended, after the write that ended it. If this fails, `reconcile` does it; the end
    /// itself is safe.
    pub(crate) async fn try_dispatch_end(&self, run: Run) -> Run {
        match self.dispatch_end(run.clone()).await {
            Ok(run) => run,
            Err(error) => {
                tracing::warn!(run = %run.id, trace = run.trace_id, %error, "the end of a run is not complete; the rest is pending");
                run
            }
        }
    }

    /// Carries out the pending effect of a run that has ended: resumes the segment that is still parked, which closes the gates when it
    /// wakes up, or closes them itself if there is no such segment. Returns the run as it is then.
    pub(crate) async fn dispatch_end(&self, run: Run) -> Result<Run, PortError> {
        let Some(pending) = run.execution.pending else { return Ok(run) };
        // A token can be accepted although nothing is left that wakes up by it.
        let is_recent = run.finished_at.is_some_and(|end| end.plus_seconds(STUCK_AFTER_SECONDS) > self.clock.now());
        if let (PendingEffect::SendTaskSuccess, Some(token)) = (pending, &run.execution.token)
            && is_recent
            && self.executions.resume(token).await? == Resumption::Resumed
        {
            return Ok(run);
        }
        self.close_gates(&run).await?;
        let segment = run.execution.segment;
        self.clear_pending(run, segment).await
    }

    /// Completes the end of a run from its last segment, which is over by that.
    pub(crate) async fn finish(&self, run: Run, segment: u32) -> Result<(), PortError> {
        if run.execution.pending.is_none() || run.execution.segment != segment {
            return Ok(());
        }
        self.close_gates(&run).await?;
        self.clear_pending(run, segment).await.map(drop)
    }

    async fn clear_pending(&self, run: Run, segment: u32) -> Result<Run, PortError> {
        let mut cleared = run.clone();
        // A run that has ended gets no owner.
        if cleared.claim("", segment).is_err() {
            return Ok(run);
        }
        match self.runs.commit(cleared.clone(), &[]).await {
            Ok(run) => Ok(run),
            // The only change that an ended run can undergo is this one.
            Err(CommitError::Changed) => Ok(cleared),
            Err(CommitError::Port(error)) => Err(error),
        }
    }

    /// Closes the gates that were open when the run ended, each by a write of its own: together they may be larger than a transaction.
    async fn close_gates(&self, run: &Run) -> Result<(), PortError> {
        let spec = spec_for(&self.flows, run).await?;
        let writes = run.gates_to_close(&spec).map(|ix| self.runs.close_gate(run, &spec.node(ix).id));
        iter(writes).buffer_unordered(CONCURRENT_GATES).try_collect().await
    }
}
