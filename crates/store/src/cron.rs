//! Flows that the clock starts.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use domain::flow::Flow;
use domain::id::{FlowId, OrgId};
use domain::ports::{CommitError, CronFlows, PortError};
use domain::run::Run;
use domain::step::Payload;
use domain::time::Time;
use futures_util::future::try_join_all;
use serde_json::Value;

use crate::items::{InputItem, RunItem};
use crate::{Item, Table, error, keys, text, write};

impl CronFlows for Table {
    async fn due_flows(&self, now: Time, most: usize) -> Result<Vec<(OrgId, FlowId)>, PortError> {
        let shards = try_join_all((0..keys::OUTBOX_SHARDS).map(|shard| self.due_in(shard, now, most))).await?;
        let mut due: Vec<_> = shards.into_iter().flatten().collect();
        due.sort();
        Ok(due.into_iter().take(most).map(|(_, org, flow)| (org, flow)).collect())
    }

    async fn create_due(&self, run: &Run, input: &Value, before: &Flow, after: &Flow) -> Result<(), CommitError> {
        let input = Payload::of(input.clone());
        let writes = vec![
            self.put_new(write(&RunItem::of(run))?)?,
            self.put_new(write(&InputItem::of(run, &input))?)?,
            TransactWriteItem::builder().update(self.moved_on(before, after)?).build(),
        ];
        self.transact(writes).await
    }
}

impl Table {
    /// A shard of the flows that are due, those first that have been due longest.
    async fn due_in(&self, shard: u8, now: Time, most: usize) -> Result<Vec<(Time, OrgId, FlowId)>, PortError> {
        let mut due = Vec::new();
        let mut start = None;
        loop {
            let request = self
                .client
                .query()
                .table_name(&self.name)
                .index_name(keys::OUTBOX)
                .key_condition_expression("outboxPk = :pk AND outboxSk < :end")
                .expression_attribute_values(":pk", text(keys::cron_shard(shard)))
                // A due time and `#…` is below the same time and `$`.
                .expression_attribute_values(":end", text(format!("{now}$")))
                .limit(i32::try_from(most - due.len()).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start);
            let answer = request.send().await.map_err(error::port)?;
            due.extend(answer.items.unwrap_or_default().iter().filter_map(row));
            start = answer.last_evaluated_key;
            if start.is_none() || due.len() >= most {
                return Ok(due);
            }
        }
    }

    /// The schedule of `after` in the head of a flow, if that has neither been edited nor moved on since `before` was read. Nothing
    /// else of the head is touched.
    fn moved_on(&self, before: &Flow, after: &Flow) -> Result<Update, PortError> {
        let (Some(was), Some(is)) = (before.trigger.cron(), after.trigger.cron()) else {
            return Err(error::corrupt(format!("flow {} has no schedule to move on", before.id)));
        };
        let (Some(due), Some(last)) = (was.next_run_at, is.last_run_at) else {
            return Err(error::corrupt(format!("flow {} was not due", before.id)));
        };
        let update = Update::builder()
            .table_name(&self.name)
            .key("pk", text(keys::flow(&before.org, &before.id)))
            .key("sk", text(keys::FLOW))
            .condition_expression("nextCronRunAt = :due AND updatedAt = :updatedAt")
            .expression_attribute_values(":due", text(due.to_string()))
            .expression_attribute_values(":updatedAt", text(before.updated_at.to_string()))
            .expression_attribute_values(":last", text(last.to_string()));
        let update = match is.next_run_at {
            Some(next) => update
                .update_expression("SET lastCronRunAt = :last, nextCronRunAt = :next, outboxSk = :outboxSk")
                .expression_attribute_values(":next", text(next.to_string()))
                .expression_attribute_values(":outboxSk", text(keys::cron_due(next, &before.org, &before.id))),
            None => update.update_expression("SET lastCronRunAt = :last REMOVE nextCronRunAt, outboxPk, outboxSk"),
        };
        update.build().map_err(error::corrupt)
    }
}

fn row(item: &Item) -> Option<(Time, OrgId, FlowId)> {
    keys::parse_cron_due(item.get("outboxSk")?.as_s().ok()?)
}
