//! Dispatches pending effects that a crash has left, and drives runs on that are stuck.

use std::collections::BTreeSet;

use domain::error::ApplicationError;
use domain::id::RunId;
use domain::ports::{Clock, CommitError, ExecutionStart, Executions, PortError, Resumption, RunLists, Runs};
use domain::run::{PendingEffect, Run};
use futures_util::stream::{StreamExt, iter};

use crate::{Engine, Ports};

/// The number of runs that are reconciled at the same time.
const CONCURRENT_RUNS: usize = 8;

/// The number of segments that are begun one after another, because an execution of the name of each is over already. A run has that many
/// if its table was restored to a time before them. The next tick goes on from there.
const MAX_LOST_SEGMENTS: usize = 50;

/// The result of dispatching a pending effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dispatched {
    /// The execution was started or resumed, or nothing was pending.
    Done,
    /// No execution waits for the task token.
    TokenGone,
    /// An execution of this name exists.
    NameTaken,
}

impl<P: Ports> Engine<P> {
    /// Dispatches the pending effects of all runs in the outbox, and starts the next segment of every run that is stuck. Returns the number
    /// of these runs. A run that fails does not delay the others.
    pub async fn reconcile(&self, lists: &impl RunLists) -> Result<usize, ApplicationError> {
        let pending = lists.with_pending_effects().await?;
        let stuck = lists.stuck(self.clock.now()).await?;
        // The index may have a run in both places for a moment.
        let found: BTreeSet<RunId> = pending.into_iter().chain(stuck).collect();
        let reconciled = found.iter().map(async |id| {
            let result = self.reconcile_run(id).await;
            if let Err(error) = &result {
                tracing::error!(run = %id, %error, "a run could not be reconciled");
            }
            result.err()
        });
        let failed: Vec<PortError> = iter(reconciled).buffer_unordered(CONCURRENT_RUNS).filter_map(std::future::ready).collect().await;
        failed.into_iter().next().map_or(Ok(found.len()), |error| Err(error.into()))
    }

    async fn reconcile_run(&self, id: &RunId) -> Result<(), PortError> {
        let Some(run) = self.runs.load(id).await? else { return Ok(()) };
        if run.has_ended() {
            return self.dispatch_end(run).await.map(drop);
        }
        let goes_on = !run.is_stuck(self.clock.now())
            && match self.dispatch(&run).await? {
                Dispatched::Done => true,
                // The resume is still pending, so the segment that had the token has not gone on.
                Dispatched::TokenGone => false,
                // The start is still pending. The execution may be on its way, or has ended without a sign of life.
                Dispatched::NameTaken => !self.executions.is_over(&run).await?,
            };
        if goes_on { Ok(()) } else { self.begin_next_segment(run).await }
    }

    /// Carries out the pending effect of a run that is active. To do it twice has the same effect as doing it once: executions have names, a
    /// task token works once, and a segment that wakes up reads the table.
    pub(crate) async fn dispatch(&self, run: &Run) -> Result<Dispatched, PortError> {
        match (run.execution.pending, &run.execution.token) {
            (None | Some(PendingEffect::CloseGates), _) => Ok(Dispatched::Done),
            (Some(PendingEffect::SendTaskSuccess), Some(token)) => Ok(match self.executions.resume(token).await? {
                Resumption::Resumed => Dispatched::Done,
                Resumption::TokenGone => Dispatched::TokenGone,
            }),
            // Nothing is parked yet. The segment finds what has happened when it comes to Park.
            (Some(PendingEffect::SendTaskSuccess), None) | (Some(PendingEffect::StartExecution), _) => {
                Ok(match self.executions.start(run, self.clock.now()).await? {
                    ExecutionStart::Started => Dispatched::Done,
                    ExecutionStart::NameTaken => Dispatched::NameTaken,
                })
            }
        }
    }

    /// Carries out the pending effect of a run, whether it has ended or not. An effect that comes to nothing stays pending, and
    /// [`reconcile`](Self::reconcile) looks into it.
    pub(crate) async fn dispatch_pending(&self, run: &Run) -> Result<(), PortError> {
        if run.has_ended() { self.dispatch_end(run.clone()).await.map(drop) } else { self.dispatch(run).await.map(drop) }
    }

    /// Starts the next segment of a run whose current segment will not go on. If that is wrong after all, the old segment finds a later
    /// one when it reads the run, and ends.
    async fn begin_next_segment(&self, mut run: Run) -> Result<(), PortError> {
        for _ in 0..MAX_LOST_SEGMENTS {
            let now = self.clock.now();
            let segment = run.execution.segment;
            if run.end_segment(None, now).is_err() {
                return Ok(());
            }
            run = match self.runs.commit(run, &[]).await {
                Ok(run) => run,
                // The run is driven after all.
                Err(CommitError::Changed) => return Ok(()),
                Err(CommitError::Port(error)) => return Err(error),
            };
            tracing::warn!(run = %run.id, trace = run.trace_id, segment, "a segment did not go on; the next one is started");
            if self.executions.start(&run, now).await? == ExecutionStart::Started || !self.executions.is_over(&run).await? {
                return Ok(());
            }
        }
        Ok(())
    }
}
