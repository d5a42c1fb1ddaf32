//! The end of outputs: when records expire, and the receipts that replace them.

use std::collections::BTreeSet;

use domain::id::{OrgId, RunId};
use domain::ports::{CommitError, Outputs, PortError};
use domain::retention::{PurgeRequest, Retention};
use domain::run::Run;
use domain::step::{StepKey, StepRecord};
use domain::time::Time;
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use serde::Deserialize;

use crate::items::{PurgeItem, StepItem};
use crate::{Item, RunStore, error, keys, number, read, text, write};

/// How many records of a run are rescheduled at the same time.
const AT_ONCE: usize = 16;
/// The most purges that one tick repeats. The rest waits for the next tick.
const MAX_DUE: usize = 10_000;

/// Returns the receipt of a record that TTL has deleted, given its last image in the stream. Fails with `Corrupt` if the image cannot be
/// read or has no time to live.
pub fn expired_record(image: Item) -> Result<StepRecord, PortError> {
    let record = read::<StepItem>(image)?.into_receipt()?;
    if record.purged.is_none() {
        return Err(error::corrupt(format!("the record of {} in {} expired and has no time to live", record.node, record.run)));
    }
    Ok(record)
}

/// The key and the time to live of a step's record.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expiring {
    sk: String,
    expires_at: Option<u64>,
}

impl RunStore {
    /// Sets the time to live of every record of a run that would expire before `until` to that time.
    pub(crate) async fn extend(&self, run: &RunId, until: Time) -> Result<(), PortError> {
        let sooner = |record: &Expiring| record.expires_at.is_some_and(|at| at < until.seconds());
        self.set_expiry(run, sooner, Some(until), "attribute_exists(expiresAt) AND expiresAt < :at").await
    }

    /// Sets the time to live of those records of a run's steps for which `wanted` holds, each if `condition` holds when it is written.
    async fn set_expiry(
        &self,
        run: &RunId,
        wanted: impl Fn(&Expiring) -> bool,
        at: Option<Time>,
        condition: &str,
    ) -> Result<(), PortError> {
        let found: Vec<Expiring> = self.expiring(run).await?.into_iter().filter(wanted).collect();
        let writes = found.into_iter().map(|record| async move {
            let update = self.table.update_request(keys::run(run), record.sk).condition_expression(condition);
            let update = match at {
                Some(at) => update.update_expression("SET expiresAt = :at").expression_attribute_values(":at", number(at.seconds())),
                None => update.update_expression("REMOVE expiresAt"),
            };
            match update.send().await {
                Ok(_) => Ok(()),
                // The record was deleted meanwhile, or its time to live is as it should be.
                Err(refused) if error::is_condition(&refused) => Ok(()),
                Err(other) => Err(error::port(other)),
            }
        });
        iter(writes).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Returns the records of a run's steps that are not receipts.
    async fn expiring(&self, run: &RunId) -> Result<Vec<Expiring>, PortError> {
        let mut rows = Vec::new();
        let mut start = None;
        loop {
            let request = self
                .table
                .client
                .query()
                .table_name(&self.table.name)
                .consistent_read(true)
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .projection_expression("sk, expiresAt, purged")
                .expression_attribute_values(":pk", text(keys::run(run)))
                .expression_attribute_values(":prefix", text(keys::STEP_PREFIX))
                .set_exclusive_start_key(start);
            let answer = request.send().await.map_err(error::port)?;
            for item in answer.items.unwrap_or_default() {
                if !item.contains_key("purged") {
                    rows.push(read(item)?);
                }
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(rows);
            }
        }
    }
}

impl Outputs for RunStore {
    async fn retention(&self, org: &OrgId) -> Result<Retention, PortError> {
        self.read_retention(org, true).await
    }

    async fn reschedule(&self, run: &RunId, expires_at: Option<Time>, now: Time) -> Result<(), PortError> {
        let wanted = expires_at.map(Time::seconds);
        let there = |record: &Expiring| record.expires_at.is_none_or(|at| at > now.seconds());
        let elsewhere = |record: &Expiring| there(record) && record.expires_at != wanted;
        self.set_expiry(run, elsewhere, expires_at, "attribute_exists(pk) AND attribute_not_exists(purged)").await
    }

    async fn delete_objects(&self, run: &Run, steps: Option<&BTreeSet<StepKey>>) -> Result<(), PortError> {
        self.objects.purge(run, steps).await
    }

    async fn put_receipt(&self, receipt: &StepRecord) -> Result<(), PortError> {
        let put = self.table.put_request(write(&StepItem::of(receipt, None))?);
        match put.condition_expression("attribute_not_exists(purged)").send().await.map_err(error::put) {
            Ok(_) | Err(CommitError::Changed) => Ok(()),
            Err(CommitError::Port(error)) => Err(error),
        }
    }

    async fn request_purge(&self, request: &PurgeRequest, again_at: Time) -> Result<PurgeRequest, PortError> {
        match self.table.put_new(write(&PurgeItem::of(request, again_at))?).await {
            Ok(()) => Ok(request.clone()),
            Err(CommitError::Changed) => {
                let noted = self.purge_request(&request.run).await?;
                noted.ok_or_else(|| error::corrupt(format!("the purge of {} was requested before and cannot be found", request.run)))
            }
            Err(CommitError::Port(error)) => Err(error),
        }
    }

    async fn purges_due(&self, now: Time) -> Result<Vec<RunId>, PortError> {
        let due = self.table.outbox_due(keys::PURGES.to_owned(), now, MAX_DUE).await?;
        Ok(due.iter().filter_map(|key| keys::parse_purge_due(key)).collect())
    }

    async fn purge_request(&self, run: &RunId) -> Result<Option<PurgeRequest>, PortError> {
        Ok(self.table.get::<PurgeItem>(&keys::run(run), keys::PURGE).await?.map(PurgeItem::into_request))
    }

    async fn purge_is_done(&self, run: &RunId) -> Result<(), PortError> {
        let update = self.table.update_request(keys::run(run), keys::PURGE).condition_expression("attribute_exists(pk)");
        match update.update_expression("REMOVE outboxPk, outboxSk").send().await {
            Ok(_) => Ok(()),
            Err(refused) if error::is_condition(&refused) => Ok(()),
            Err(other) => Err(error::port(other)),
        }
    }
}
