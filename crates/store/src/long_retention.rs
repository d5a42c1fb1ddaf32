//! The setting of long retention, and the jobs that apply a change of it to the records that exist.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use domain::id::OrgId;
use domain::ports::{CommitError, PortError, RetentionJobs};
use domain::retention::{Retention, RetentionJob, SETTING_IS_FRESH_SECONDS};
use domain::run::Run;
use domain::step::StepRecord;
use domain::time::Time;

use crate::items::JobItem;
use crate::items::organisation::LONG_RETENTION;
use crate::{RunStore, error, keys, number, text, write};

/// The settings of organisations that this process has read, and when.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings(Arc<Mutex<BTreeMap<OrgId, (Time, Retention)>>>);

impl Settings {
    fn get(&self, org: &OrgId, now: Time) -> Option<Retention> {
        let (read_at, retention) = *self.0.lock().unwrap_or_else(PoisonError::into_inner).get(org)?;
        (read_at <= now && now < read_at.plus_seconds(SETTING_IS_FRESH_SECONDS)).then_some(retention)
    }

    fn put(&self, org: &OrgId, now: Time, retention: Retention) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(*org, (now, retention));
    }
}

impl RunStore {
    /// Returns the retention of a step that is about to be recorded. It is read once a minute, however many steps there are.
    pub(crate) async fn retention_for(&self, run: &Run, step: &StepRecord) -> Result<Retention, PortError> {
        // A step that was taken over from another run was completed some time ago.
        let now = Some(step.completed_at).filter(|_| step.reused_from.is_none());
        if let Some(known) = now.and_then(|now| self.settings.get(&run.org, now)) {
            return Ok(known);
        }
        let read = self.read_retention(&run.org, false).await?;
        if let Some(now) = now {
            self.settings.put(&run.org, now, read);
        }
        Ok(read)
    }

    pub(crate) async fn read_retention(&self, org: &OrgId, consistent: bool) -> Result<Retention, PortError> {
        let request = self.table.get_request(keys::organisation(org), keys::ORG);
        let request = request.projection_expression(LONG_RETENTION).consistent_read(consistent);
        let item = request.send().await.map_err(error::port)?.item.unwrap_or_default();
        let long = item.get(LONG_RETENTION).is_some_and(|value| value.as_bool() == Ok(&true));
        Ok(if long { Retention::Forever } else { self.default_retention })
    }
}

impl RetentionJobs for RunStore {
    async fn retention_job(&self, org: &OrgId) -> Result<Option<RetentionJob>, PortError> {
        self.table.get::<JobItem>(&keys::organisation(org), keys::RETENTION).await?.map(JobItem::into_job).transpose()
    }

    async fn switch_retention(&self, job: RetentionJob) -> Result<RetentionJob, CommitError> {
        let (condition, expected) = condition(&job);
        let job = RetentionJob { rev: job.rev + 1, ..job };
        let put = Put::builder().table_name(&self.table.name).set_item(Some(write(&JobItem::of(&job))?)).condition_expression(condition);
        let put = put.expression_attribute_values(":rev", expected).build().map_err(error::corrupt)?;
        let set = Update::builder().table_name(&self.table.name).key("pk", text(keys::organisation(&job.org))).key("sk", text(keys::ORG));
        let set = set.update_expression("SET #long = :long").expression_attribute_names("#long", LONG_RETENTION);
        let set = set.expression_attribute_values(":long", AttributeValue::Bool(job.long)).build().map_err(error::corrupt)?;
        let writes = vec![TransactWriteItem::builder().put(put).build(), TransactWriteItem::builder().update(set).build()];
        self.table.transact(writes).await?;
        Ok(job)
    }

    async fn put_retention_job(&self, job: RetentionJob) -> Result<RetentionJob, CommitError> {
        let expected = job.rev;
        let job = RetentionJob { rev: expected + 1, ..job };
        self.table.put_at_rev(write(&JobItem::of(&job))?, expected).await?;
        Ok(job)
    }

    async fn retention_jobs_owed(&self) -> Result<Vec<OrgId>, PortError> {
        let keys = self.table.outbox(keys::RETENTION_JOBS.to_owned()).await?;
        Ok(keys.iter().filter_map(|key| key.parse().ok()).collect())
    }
}

/// Returns the condition that the stored job has the `rev` of this one, and the value of `:rev` in it. A new job has the `rev` 0.
fn condition(job: &RetentionJob) -> (&'static str, AttributeValue) {
    let condition = if job.rev == 0 { "attribute_not_exists(pk) OR rev = :rev" } else { "rev = :rev" };
    (condition, number(job.rev))
}
