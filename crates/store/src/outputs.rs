//! What becomes of outputs: how long records stay, and the receipts that take their places.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::flow::NodeId;
use domain::id::{OrgId, RunId};
use domain::ports::{CommitError, Outputs, PortError};
use domain::retention::{PurgeRequest, Retention};
use domain::run::Run;
use domain::step::StepRecord;
use domain::time::Time;
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use serde::Deserialize;

use crate::items::{PurgeItem, StepItem};
use crate::{Item, RunStore, error, keys, number, read, text, write};

/// How many records of a run are rescheduled at a time.
const AT_ONCE: usize = 16;

/// The receipt of a record that TTL has deleted, from the image of it that the stream carries.
pub fn expired_record(image: Item) -> Result<StepRecord, PortError> {
    let record = read::<StepItem>(image)?.into_receipt()?;
    if record.purged.is_none() {
        return Err(error::corrupt(format!("the record of {} in {} has no time of expiry, and expired", record.node, record.run)));
    }
    Ok(record)
}

/// As much of a step's record as tells when it goes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expiring {
    sk: String,
    expires_at: Option<u64>,
}

impl RunStore {
    /// Keeps every record of a run that expires before `until` to that time.
    pub(crate) async fn extend(&self, run: &RunId, until: Time) -> Result<(), PortError> {
        let sooner = |record: &Expiring| record.expires_at.is_some_and(|at| at < until.seconds());
        self.set_expiry(run, sooner, Some(until), "attribute_exists(expiresAt) AND expiresAt < :at").await
    }

    /// Writes the time of expiry into those records of a run's steps that `wanted` picks, each on `condition`.
    async fn set_expiry(
        &self,
        run: &RunId,
        wanted: impl Fn(&Expiring) -> bool,
        at: Option<Time>,
        condition: &str,
    ) -> Result<(), PortError> {
        let found: Vec<Expiring> = self.expiring(run).await?.into_iter().filter(wanted).collect();
        let writes = found.into_iter().map(|record| async move {
            let update = self.table.client.update_item().table_name(&self.table.name).key("pk", text(keys::run(run)));
            let update = update.key("sk", text(record.sk)).condition_expression(condition);
            let update = match at {
                Some(at) => update.update_expression("SET expiresAt = :at").expression_attribute_values(":at", number(at.seconds())),
                None => update.update_expression("REMOVE expiresAt"),
            };
            match update.send().await {
                Ok(_) => Ok(()),
                // It went meanwhile, or is where it is to be.
                Err(refused) if is_condition(&refused) => Ok(()),
                Err(other) => Err(error::port(other)),
            }
        });
        iter(writes).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// The records of a run's steps that are no receipts.
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

fn is_condition<E: ProvideErrorMetadata, R>(refused: &SdkError<E, R>) -> bool {
    refused.as_service_error().and_then(ProvideErrorMetadata::code) == Some("ConditionalCheckFailedException")
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

    async fn delete_objects(&self, run: &Run, nodes: Option<&BTreeSet<NodeId>>) -> Result<(), PortError> {
        self.objects.purge(run, nodes).await
    }

    async fn put_receipt(&self, receipt: &StepRecord) -> Result<(), PortError> {
        let put = self.table.client.put_item().table_name(&self.table.name).set_item(Some(write(&StepItem::of(receipt, None))?));
        match put.condition_expression("attribute_not_exists(purged)").send().await.map_err(error::put) {
            Ok(_) | Err(CommitError::Changed) => Ok(()),
            Err(CommitError::Port(error)) => Err(error),
        }
    }

    async fn request_purge(&self, request: &PurgeRequest, again_at: Time) -> Result<PurgeRequest, PortError> {
        let put = self.table.client.put_item().table_name(&self.table.name).set_item(Some(write(&PurgeItem::of(request, again_at))?));
        match put.condition_expression("attribute_not_exists(pk)").send().await.map_err(error::put) {
            Ok(_) => Ok(request.clone()),
            Err(CommitError::Changed) => {
                let noted = self.purge_request(&request.run).await?;
                noted.ok_or_else(|| error::corrupt(format!("the purge of {} is noted and is not", request.run)))
            }
            Err(CommitError::Port(error)) => Err(error),
        }
    }

    async fn purges_due(&self, now: Time) -> Result<Vec<RunId>, PortError> {
        let request = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .index_name(keys::OUTBOX)
            .key_condition_expression("outboxPk = :pk AND outboxSk < :end")
            .projection_expression("outboxSk")
            .expression_attribute_values(":pk", text(keys::PURGES))
            // `$` is the character after `#`: everything that is due at `now` or before.
            .expression_attribute_values(":end", text(format!("{now}$")));
        // One page: more than that waits for the next tick.
        let items = request.send().await.map_err(error::port)?.items.unwrap_or_default();
        let key = |item: &Item| item.get("outboxSk").and_then(|key| key.as_s().ok()).and_then(|key| keys::parse_purge_due(key));
        Ok(items.iter().filter_map(key).collect())
    }

    async fn purge_request(&self, run: &RunId) -> Result<Option<PurgeRequest>, PortError> {
        Ok(self.table.get::<PurgeItem>(&keys::run(run), keys::PURGE).await?.map(PurgeItem::into_request))
    }

    async fn purge_is_done(&self, run: &RunId) -> Result<(), PortError> {
        let update = self.table.client.update_item().table_name(&self.table.name).key("pk", text(keys::run(run)));
        let update = update.key("sk", AttributeValue::S(keys::PURGE.to_owned())).condition_expression("attribute_exists(pk)");
        match update.update_expression("REMOVE outboxPk, outboxSk").send().await {
            Ok(_) => Ok(()),
            Err(refused) if is_condition(&refused) => Ok(()),
            Err(other) => Err(error::port(other)),
        }
    }
}
