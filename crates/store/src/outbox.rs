//! The index `outbox`: work that is to be done later, in partitions by kind. The sort key of a row says what is to be done, and for most
//! kinds when. Only items with such work are in the index, so it is almost empty.

use domain::ports::PortError;
use domain::time::Time;

use crate::{Item, Table, error, keys, text};

impl Table {
    /// Returns the sort keys of a partition, in order. At most one page of the index, which is some ten thousand keys: what is beyond
    /// that is found at the next tick.
    pub(crate) async fn outbox(&self, pk: String) -> Result<Vec<String>, PortError> {
        let request = self.client.query().table_name(&self.name).index_name(keys::OUTBOX);
        let request = request.key_condition_expression("outboxPk = :pk").expression_attribute_values(":pk", text(pk));
        let items = request.send().await.map_err(error::port)?.items.unwrap_or_default();
        Ok(items.iter().filter_map(sort_key).collect())
    }

    /// Returns the sort keys of a partition that begin with a time of `now` or before, in order: the first `most` of them.
    pub(crate) async fn outbox_due(&self, pk: String, now: Time, most: usize) -> Result<Vec<String>, PortError> {
        let mut due = Vec::new();
        let mut start = None;
        loop {
            let request = self
                .client
                .query()
                .table_name(&self.name)
                .index_name(keys::OUTBOX)
                .key_condition_expression("outboxPk = :pk AND outboxSk < :end")
                .expression_attribute_values(":pk", text(&pk))
                // A key is a time, `#` and the rest, and `$` is the character after `#`.
                .expression_attribute_values(":end", text(format!("{now}$")))
                .limit(i32::try_from(most - due.len()).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start);
            let answer = request.send().await.map_err(error::port)?;
            due.extend(answer.items.unwrap_or_default().iter().filter_map(sort_key));
            start = answer.last_evaluated_key;
            if start.is_none() || due.len() >= most {
                return Ok(due);
            }
        }
    }
}

fn sort_key(item: &Item) -> Option<String> {
    item.get("outboxSk")?.as_s().ok().cloned()
}
