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
use crate::{Table, error, keys, text, write};

impl CronFlows for Table {
    async fn due_flows(&self, now: Time, most: usize) -> Result<Vec<(OrgId, FlowId)>, PortError> {
        let shards = (0..keys::OUTBOX_SHARDS).map(|shard| self.outbox_due(keys::cron_shard(shard), now, most));
        let due = try_join_all(shards).await?.into_iter().flatten();
        let mut due: Vec<(Time, OrgId, FlowId)> = due.filter_map(|key| keys::parse_cron_due(&key)).collect();
        due.sort();
        Ok(due.into_iter().take(most).map(|(_, org, flow)| (org, flow)).collect())
    }

    async fn create_due(&self, run: &Run, input: &Value, before: &Flow, after: &Flow) -> Result<(), CommitError> {
        let input = Payload::of(input.clone());
        let writes = vec![
            self.new_item(write(&RunItem::of(run))?)?,
            self.new_item(write(&InputItem::of(run, &input))?)?,
            TransactWriteItem::builder().update(self.reschedule(before, after)?).build(),
        ];
        self.transact(writes).await
    }
}

impl Table {
    /// Returns the update that sets the schedule of a flow to that of `after`. It fails if the flow was edited or its schedule moved on
    /// since `before` was read, and it changes nothing else of the flow.
    fn reschedule(&self, before: &Flow, after: &Flow) -> Result<Update, PortError> {
        let (Some(was), Some(is)) = (before.trigger.cron(), after.trigger.cron()) else {
            return Err(error::corrupt(format!("flow {} has no schedule", before.id)));
        };
        let (Some(due), Some(last)) = (was.next_run_at, is.last_run_at) else {
            return Err(error::corrupt(format!("flow {} was not due", before.id)));
        };
        let update = Update::builder()
            .table_name(&self.name)
            .key("pk", text(keys::flow(&before.org, &before.id)))
            .key("sk", text(keys::FLOW))
            .condition_expression("listRow.nextCronRunAt = :due AND listRow.updatedAt = :updatedAt")
            .expression_attribute_values(":due", text(due.to_string()))
            .expression_attribute_values(":updatedAt", text(before.updated_at.to_string()))
            .expression_attribute_values(":last", text(last.to_string()));
        let update = match is.next_run_at {
            Some(next) => update
                .update_expression("SET listRow.lastCronRunAt = :last, listRow.nextCronRunAt = :next, outboxSk = :outboxSk")
                .expression_attribute_values(":next", text(next.to_string()))
                .expression_attribute_values(":outboxSk", text(keys::cron_due(next, &before.org, &before.id))),
            None => update.update_expression("SET listRow.lastCronRunAt = :last REMOVE listRow.nextCronRunAt, outboxPk, outboxSk"),
        };
        update.build().map_err(error::corrupt)
    }
}
