//! Lists: an index partition for every combination of status and trigger, merged. Whatever the filter, the rows read are rows
//! that match: no page is short, and a rare match costs no more than a common one.

use aws_sdk_dynamodb::types::{AttributeValue, Select};
use domain::gate::Gate;
use domain::id::{FlowId, OrgId, RunId};
use domain::ports::{COUNT_CAP, Page, PortError, RunFilter, RunLists, RunSummary, Window};
use domain::run::{RunStatus, Trigger};
use futures_util::future::try_join_all;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::items::{GateItem, SummaryItem};
use crate::{Table, error, keys, read, text};

/// The sort keys of a partition that are wanted: from `low` (inclusive) to `high` (exclusive).
#[derive(Debug, Clone)]
struct Range {
    low: String,
    high: String,
}

impl RunLists for Table {
    async fn runs_of(&self, flow: &FlowId, filter: &RunFilter, window: &Window) -> Result<Page<RunSummary>, PortError> {
        let statuses = filter.status.map_or(RunStatus::ALL.to_vec(), |status| vec![status]);
        let triggers = filter.trigger.map_or(Trigger::ALL.to_vec(), |trigger| vec![trigger]);
        let partitions =
            statuses.iter().flat_map(|status| triggers.iter().map(|trigger| keys::run_list(flow, *status, *trigger))).collect();
        // A run's id begins with its creation time, so a span of time is a range of keys.
        let low = filter.from.map(|from| RunId::lowest(from).to_string());
        let high = filter.to.map(|to| RunId::lowest(to).to_string());
        let page = self.merged::<SummaryItem>(partitions, low, high, window, |row| row.list_sk.to_string()).await?;
        let rows = page.rows.into_iter().map(SummaryItem::into_summary).collect::<Result<_, _>>()?;
        Ok(Page { rows, next: page.next, total: page.total })
    }

    async fn open_gates(&self, org: &OrgId, wanted: &(dyn Fn(&Gate) -> bool + Sync), window: &Window) -> Result<Page<Gate>, PortError> {
        // The inbox holds open gates only, so it is as small as the work in hand; assignee and flow are looked at here.
        let mut page = Page { rows: Vec::new(), next: None, total: 0 };
        let mut last_given = None;
        let mut to_skip = window.skip;
        let mut start = None;
        loop {
            let request = self
                .client
                .query()
                .table_name(&self.name)
                .index_name(keys::INBOX)
                .key_condition_expression("inboxPk = :pk")
                .expression_attribute_values(":pk", text(keys::inbox(org)))
                .set_exclusive_start_key(start);
            let answer = request.send().await.map_err(error::port)?;
            for item in answer.items.unwrap_or_default() {
                let gate = read::<GateItem>(item)?;
                let key = gate.inbox_key();
                let gate = gate.into_gate()?;
                if !wanted(&gate) {
                    continue;
                }
                page.total = (page.total + 1).min(COUNT_CAP + 1);
                if window.after.as_ref().is_some_and(|after| key <= *after) {
                    continue;
                }
                if to_skip > 0 {
                    to_skip -= 1;
                } else if page.rows.len() < window.limit {
                    page.rows.push(gate);
                    last_given = Some(key);
                } else {
                    page.next.clone_from(&last_given);
                }
            }
            start = answer.last_evaluated_key;
            if start.is_none() || (page.next.is_some() && page.total > COUNT_CAP) {
                return Ok(page);
            }
        }
    }

    async fn indebted(&self) -> Result<Vec<RunId>, PortError> {
        let shards = try_join_all((0..keys::OUTBOX_SHARDS).map(|shard| self.outbox_shard(shard))).await?;
        Ok(shards.into_iter().flatten().collect())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutboxRow {
    outbox_sk: RunId,
}

impl Table {
    async fn outbox_shard(&self, shard: u8) -> Result<Vec<RunId>, PortError> {
        let request = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(keys::OUTBOX)
            .key_condition_expression("outboxPk = :pk")
            .expression_attribute_values(":pk", text(keys::outbox_shard(shard)));
        // One page of keys is some ten thousand runs; more than that waits five minutes.
        let items = request.send().await.map_err(error::port)?.items.unwrap_or_default();
        items.into_iter().map(|item| read::<OutboxRow>(item).map(|row| row.outbox_sk)).collect()
    }

    /// A page of several index partitions taken together, newest first.
    pub(crate) async fn merged<T: DeserializeOwned>(
        &self,
        partitions: Vec<String>,
        low: Option<String>,
        high: Option<String>,
        window: &Window,
        key: impl Fn(&T) -> String,
    ) -> Result<Page<T>, PortError> {
        // Below and above every id; DynamoDB takes no empty key.
        let all = Range { low: low.unwrap_or_else(|| " ".to_owned()), high: high.unwrap_or_else(|| "~".to_owned()) };
        let here =
            Range { high: window.after.clone().filter(|after| *after < all.high).unwrap_or_else(|| all.high.clone()), ..all.clone() };
        if all.low >= all.high {
            return Ok(Page { rows: Vec::new(), next: None, total: 0 });
        }
        let wanted = window.skip + window.limit + 1;
        let (found, total) = futures_util::try_join!(
            try_join_all(partitions.iter().map(|partition| self.newest::<T>(partition, &here, wanted))),
            self.count(&partitions, &all)
        )?;
        let mut rows: Vec<(String, T)> = found.into_iter().flatten().map(|row| (key(&row), row)).collect();
        rows.sort_by(|a, b| b.0.cmp(&a.0));
        // A run that changes its status between two queries may be found under both.
        rows.dedup_by(|a, b| a.0 == b.0);
        let more = rows.len() >= wanted;
        let rows: Vec<_> = rows.into_iter().skip(window.skip).take(window.limit).collect();
        let next = rows.last().filter(|_| more).map(|(key, _)| key.clone());
        Ok(Page { rows: rows.into_iter().map(|(_, row)| row).collect(), next, total })
    }

    async fn newest<T: DeserializeOwned>(&self, partition: &str, range: &Range, wanted: usize) -> Result<Vec<T>, PortError> {
        let mut rows = Vec::new();
        let mut start = None;
        // DynamoDB refuses a BETWEEN whose ends are the wrong way round: a cursor may lie below the range.
        while rows.len() < wanted && range.low < range.high {
            let request =
                self.range_query(partition, range).scan_index_forward(false).limit(i32::try_from(wanted - rows.len()).unwrap_or(i32::MAX));
            let answer = request.set_exclusive_start_key(start).send().await.map_err(error::port)?;
            for item in answer.items.unwrap_or_default() {
                rows.push(read(item)?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(rows)
    }

    async fn count(&self, partitions: &[String], range: &Range) -> Result<u64, PortError> {
        let cap = i32::try_from(COUNT_CAP + 1).unwrap_or(i32::MAX);
        let counts = partitions.iter().map(|partition| async {
            let mut count = 0u64;
            let mut start: Option<std::collections::HashMap<String, AttributeValue>> = None;
            loop {
                let request = self.range_query(partition, range).select(Select::Count).limit(cap).set_exclusive_start_key(start);
                let answer = request.send().await.map_err(error::port)?;
                count += u64::try_from(answer.count).unwrap_or_default();
                start = answer.last_evaluated_key;
                if start.is_none() || count > COUNT_CAP {
                    return Ok::<_, PortError>(count);
                }
            }
        });
        Ok(try_join_all(counts).await?.into_iter().sum::<u64>().min(COUNT_CAP + 1))
    }

    fn range_query(&self, partition: &str, range: &Range) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        // BETWEEN includes its upper end, and the range does not.
        self.client
            .query()
            .table_name(&self.name)
            .index_name(keys::LISTS)
            .key_condition_expression("listPk = :pk AND listSk BETWEEN :low AND :high")
            .expression_attribute_values(":pk", text(partition))
            .expression_attribute_values(":low", text(&range.low))
            .expression_attribute_values(":high", text(below(&range.high)))
    }
}

/// The largest text that is smaller than an id: ULIDs are of fixed length, so its last character goes one down.
fn below(high: &str) -> String {
    let mut bytes = high.as_bytes().to_vec();
    if let Some(last) = bytes.last_mut() {
        *last = last.saturating_sub(1);
    }
    // Still ASCII, as ids are; a cursor that was something else is refused before it gets here.
    let mut text = String::from_utf8(bytes).unwrap_or_default();
    text.push('~');
    text
}
