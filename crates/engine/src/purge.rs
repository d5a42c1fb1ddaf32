//! Deletes the outputs of runs: because their retention is over, or because a caller asks for it.
//!
//! The objects are deleted first, and then a receipt replaces the record. Until then the record still says what has to be deleted and what
//! the receipt has to say, so an interrupted purge is repeated from the beginning.

use std::collections::BTreeSet;

use domain::error::ApplicationError;
use domain::flow::NodeId;
use domain::id::{OrgId, RunId};
use domain::ports::{Clock, Outputs, PortError, Runs};
use domain::retention::{LATEST_RECORD_SECONDS, Purge, PurgeReason, PurgeRequest};
use domain::run::Run;
use domain::step::StepRecord;
use futures_util::stream::{StreamExt, TryStreamExt, iter};

use crate::run_of;

/// The number of receipts that are written at the same time.
const CONCURRENT_RECEIPTS: usize = 16;

/// Deletes outputs, and sets when they expire.
#[derive(Debug, Clone)]
pub struct OutputPurge<R, C> {
    /// The store of runs and their outputs.
    pub runs: R,
    /// The source of the time.
    pub clock: C,
}

impl<R: Runs + Outputs, C: Clock> OutputPurge<R, C> {
    /// Purges the outputs of a run that has ended. Its input, its decisions and the run itself stay. Fails with `Conflict` if the run is
    /// still active.
    pub async fn purge(&self, org: &OrgId, id: &RunId, actor: &str) -> Result<Purge, ApplicationError> {
        let run = run_of(&self.runs, org, id).await?;
        if !run.has_ended() {
            return Err(ApplicationError::Conflict(format!("the run is {}; its outputs can be purged once it has ended", run.status)));
        }
        let at = self.clock.now();
        let request = PurgeRequest { run: run.id, org: run.org, by: actor.to_owned(), at };
        let noted = self.runs.request_purge(&request, at.plus_seconds(LATEST_RECORD_SECONDS)).await?;
        let receipts = self.purge_records(&run, &noted).await?;
        Ok(Purge { run: run.id, at: noted.at, receipts })
    }

    /// Purges runs a second time that were purged while an invocation may still have been at work: this deletes what the invocation
    /// recorded afterwards, and completes a purge that a crash interrupted. Returns the number of these runs. A run that fails does not
    /// delay the others, and one that can never be purged is not tried again.
    pub async fn purge_due(&self) -> Result<usize, PortError> {
        let due = self.runs.purges_due(self.clock.now()).await?;
        let mut failed = None;
        for id in &due {
            let outcome = match self.purge_again(id).await {
                Err(error) if error.is_permanent() => {
                    tracing::error!(run = %id, %error, "the outputs of a run cannot be purged a second time; the run is passed over");
                    self.runs.purge_is_done(id).await
                }
                outcome => outcome,
            };
            if let Err(error) = outcome {
                tracing::error!(run = %id, %error, "the outputs of a run were not purged");
                failed = Some(error);
            }
        }
        failed.map_or(Ok(due.len()), Err)
    }

    async fn purge_again(&self, id: &RunId) -> Result<(), PortError> {
        if let (Some(request), Some(run)) = (self.runs.purge_request(id).await?, self.runs.load(id).await?) {
            self.purge_records(&run, &request).await?;
        }
        self.runs.purge_is_done(id).await
    }

    async fn purge_records(&self, run: &Run, request: &PurgeRequest) -> Result<Vec<StepRecord>, PortError> {
        let records = match self.runs.steps(run, self.clock.now()).await {
            Ok(records) => records,
            Err(error) => {
                // A record that cannot be read does not keep the objects.
                if error.is_permanent() {
                    self.runs.delete_objects(run, None).await?;
                }
                return Err(error);
            }
        };
        let reason = || PurgeReason::Requested(request.by.clone());
        let receipts: Vec<_> = records.into_iter().map(|record| record.without_payloads(request.at, reason())).collect();
        self.runs.delete_objects(run, None).await?;
        self.put_receipts(&receipts).await?;
        Ok(receipts)
    }

    /// Completes the expiry of records that the table has deleted: deletes their objects and writes their receipts.
    pub async fn complete_expiry(&self, id: &RunId, receipts: &[StepRecord]) -> Result<(), PortError> {
        let run = self.runs.load(id).await?.ok_or_else(|| PortError::Corrupt(format!("{id} is not there, and had steps")))?;
        let nodes: BTreeSet<NodeId> = receipts.iter().map(|receipt| receipt.node.clone()).collect();
        self.runs.delete_objects(&run, Some(&nodes)).await?;
        self.put_receipts(receipts).await
    }

    async fn put_receipts(&self, receipts: &[StepRecord]) -> Result<(), PortError> {
        let writes = receipts.iter().map(|receipt| self.runs.put_receipt(receipt));
        iter(writes).buffer_unordered(CONCURRENT_RECEIPTS).try_collect().await
    }

    /// Sets when the records of an ended run expire, if they say another time than they should: from now on they expire when the outputs
    /// of the run do.
    pub async fn reschedule(&self, id: &RunId) -> Result<(), PortError> {
        let run = self.runs.load(id).await?.ok_or_else(|| PortError::Corrupt(format!("{id} has ended and is not there")))?;
        if !run.must_reschedule_records() {
            return Ok(());
        }
        let retention = self.runs.retention(&run.org).await?;
        self.runs.reschedule(id, retention.of_run(&run), self.clock.now()).await
    }
}
