//! Outputs go: because their time is up, or because somebody wants it.
//!
//! Objects go first, then a receipt takes the place of the record. Until then the record still says what there is to delete and
//! what the receipt has to say, so whatever is cut short is done again from the beginning.

use std::collections::BTreeSet;

use domain::error::ApplicationError;
use domain::flow::NodeId;
use domain::id::{OrgId, RunId};
use domain::ports::{Clock, Executions, Flows, Outputs, PortError, Runs};
use domain::retention::{LATEST_RECORD_SECONDS, Purge, PurgeReason, PurgeRequest};
use domain::run::Run;
use domain::step::StepRecord;
use futures_util::stream::{StreamExt, TryStreamExt, iter};

use crate::Engine;

/// How many receipts are written at a time.
const AT_ONCE: usize = 16;

impl<R: Runs + Outputs, F: Flows, S: Executions, C: Clock> Engine<R, F, S, C> {
    /// Purges the outputs of a run that has ended. Its input, its decisions and the run itself stay.
    pub async fn purge(&self, org: &OrgId, id: &RunId, actor: &str) -> Result<Purge, ApplicationError> {
        let run = self.run_of(org, id).await?;
        if !run.has_ended() {
            return Err(ApplicationError::Conflict(format!("the run is {}; its outputs can be purged once it has ended", run.status)));
        }
        let at = self.clock.now();
        let wish = PurgeRequest { run: run.id, org: run.org, by: actor.to_owned(), at };
        let noted = self.runs.request_purge(&wish, at.plus_seconds(LATEST_RECORD_SECONDS)).await?;
        let receipts = self.carry_out(&run, &noted).await?;
        Ok(Purge { run: run.id, at: noted.at, receipts })
    }

    /// Looks once more through runs that were purged while an invocation may still have been at work: what it put on record
    /// afterwards goes too, and so does a purge that a crash cut short. Gives how many runs there were; one that fails does not
    /// hold up the others.
    pub async fn purge_again(&self) -> Result<usize, PortError> {
        let due = self.runs.purges_due(self.clock.now()).await?;
        let mut failed = None;
        for id in &due {
            if let Err(error) = self.look_through(id).await {
                tracing::error!(run = %id, %error, "the outputs of a run were not purged");
                failed = Some(error);
            }
        }
        failed.map_or(Ok(due.len()), Err)
    }

    async fn look_through(&self, id: &RunId) -> Result<(), PortError> {
        if let (Some(request), Some(run)) = (self.runs.purge_request(id).await?, self.runs.load(id).await?) {
            self.carry_out(&run, &request).await?;
        }
        self.runs.purge_is_done(id).await
    }

    async fn carry_out(&self, run: &Run, request: &PurgeRequest) -> Result<Vec<StepRecord>, PortError> {
        let records = self.runs.steps(run, self.clock.now()).await?;
        let reason = || PurgeReason::Requested(request.by.clone());
        let receipts: Vec<_> = records.into_iter().map(|record| record.without_payloads(request.at, reason())).collect();
        self.runs.delete_objects(run, None).await?;
        self.leave(&receipts).await?;
        Ok(receipts)
    }

    /// The table has deleted records of a run's steps whose time was up: what lay beside them goes, and their receipts stay.
    pub async fn expired(&self, id: &RunId, receipts: &[StepRecord]) -> Result<(), PortError> {
        let run = self.runs.load(id).await?.ok_or_else(|| PortError::Corrupt(format!("{id} is not there, and had steps")))?;
        let nodes: BTreeSet<NodeId> = receipts.iter().map(|receipt| receipt.node.clone()).collect();
        self.runs.delete_objects(&run, Some(&nodes)).await?;
        self.leave(receipts).await
    }

    async fn leave(&self, receipts: &[StepRecord]) -> Result<(), PortError> {
        let writes = receipts.iter().map(|receipt| self.runs.put_receipt(receipt));
        iter(writes).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// A run has ended whose records say another time than they should: from now on they expire when its outputs do.
    pub async fn reschedule(&self, id: &RunId) -> Result<(), PortError> {
        let run = self.runs.load(id).await?.ok_or_else(|| PortError::Corrupt(format!("{id} has ended and is not there")))?;
        if !run.must_reschedule_records() {
            return Ok(());
        }
        let retention = self.runs.retention(&run.org).await?;
        self.runs.reschedule(id, retention.of_run(&run), self.clock.now()).await
    }
}
