//! The inbox: open gates in the index `inbox`, which has a partition for each organisation.
//!
//! The key of a row begins with the assignee, so that the gates of one assignee are a range, in the order of their age. A list of some
//! assignees merges their ranges, and reads no others. Gates without an assignee are in the range of keys that begin with a time; so are
//! all gates that an earlier version opened, whoever they are for.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::access::Assignee;
use domain::gate::Gate;
use domain::id::OrgId;
use domain::ports::{COUNT_CAP, Page, PortError, Window};
use futures_util::future::try_join_all;

use crate::ended_runs::EndedRuns;
use crate::items::GateItem;
use crate::readable::Readable;
use crate::{Table, error, keys, read, text};

/// The rows that are read first of each range. A row of a small action has some 600 bytes, and half a read unit reads 4 KB.
const FIRST_ROWS: usize = 5;
/// The most rows that are read at once of one range.
const MOST_ROWS: usize = 200;
/// How long a process remembers that a list has more rows than are counted.
const REMEMBERED: Duration = Duration::from_mins(1);

/// The lists that this process found to have more rows than are counted, and when.
#[derive(Debug, Clone, Default)]
pub(crate) struct LongInboxes(Arc<Mutex<HashMap<String, Instant>>>);

impl LongInboxes {
    fn has(&self, list: &str) -> bool {
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.get(list).is_some_and(|since| since.elapsed() < REMEMBERED)
    }

    fn note(&self, list: String) {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.retain(|_, since| since.elapsed() < REMEMBERED);
        lists.insert(list, Instant::now());
    }
}

/// A range of the index: the gates of one assignee, or those whose keys begin with a time.
struct Range {
    /// The part of its keys before the time.
    prefix: String,
    start: Option<HashMap<String, AttributeValue>>,
    is_read: bool,
    /// The place of the last row that was read, without the prefix.
    down_to: String,
    rows: usize,
}

impl Range {
    fn of(assignee: Option<&Assignee>) -> Self {
        Self::with_prefix(assignee.map_or_else(String::new, |assignee| format!("{assignee}#")))
    }

    fn with_prefix(prefix: String) -> Self {
        Self { prefix, start: None, is_read: false, down_to: String::new(), rows: 0 }
    }
}

/// Returns the key of a gate in the index.
pub(crate) fn key_of(gate: &Gate) -> String {
    let prefix = gate.assign_to.as_ref().map_or_else(String::new, |assignee| format!("{assignee}#"));
    format!("{prefix}{}", place_of(gate))
}

/// Returns the place of a gate among all: its age, and its id, which makes it unique.
fn place_of(gate: &Gate) -> String {
    format!("{}#{}", gate.opened_at, gate.id)
}

/// Returns the part of a key before the time.
fn prefix_of(key: &str) -> &str {
    let place = key.rmatch_indices('#').nth(1).map_or(0, |(at, _)| at + 1);
    key.get(..place).unwrap_or_default()
}

impl Table {
    /// Returns open gates of an organisation that `wanted` accepts, oldest first. The rows that a page needs are read of each range, and no
    /// more until the total is counted.
    pub(crate) async fn inbox(
        &self,
        org: &OrgId,
        assignees: Option<&[Option<Assignee>]>,
        wanted: &(dyn Fn(&Gate) -> bool + Sync),
        window: &Window,
    ) -> Result<Page<Gate>, PortError> {
        let mut ranges = match assignees {
            Some(assignees) => assignees.iter().map(|assignee| Range::of(assignee.as_ref())).collect(),
            None => self.ranges_of(org).await?,
        };
        if assignees.is_some_and(|assignees| !assignees.contains(&None)) {
            // Gates that an earlier version opened for these assignees.
            ranges.push(Range::of(None));
        }
        let is_asked = |gate: &Gate| assignees.is_none_or(|assignees| assignees.contains(&gate.assign_to)) && wanted(gate);
        let need = window.skip + window.limit + 1;
        let after = window.after.clone().unwrap_or_default();
        let mut found = Found { rows: BTreeMap::new(), unreadable: 0, ended: EndedRuns::among_pending(self).await? };
        let batches = ranges.iter().map(|range| self.batch(org, range, FIRST_ROWS.min(need), &after));
        let batches = try_join_all(batches).await?;
        for (range, batch) in ranges.iter_mut().zip(batches) {
            found.add(range, batch, &is_asked)?;
        }
        found.leave_out_ended(self).await?;
        loop {
            // Before the place down to which every range has been read, every row is known.
            let next = ranges.iter_mut().filter(|range| !range.is_read).min_by(|a, b| a.down_to.cmp(&b.down_to));
            let Some(range) = next else { break };
            let certain = found.rows.range(..=range.down_to.clone()).count();
            if certain >= need {
                break;
            }
            let batch = self.batch(org, range, (need - certain).min((range.rows * 2).max(FIRST_ROWS)), &after).await?;
            found.add(range, batch, &is_asked)?;
            found.leave_out_ended(self).await?;
        }
        let mut rows = found.rows.iter().skip(window.skip);
        let page: Vec<(&String, &Gate)> = rows.by_ref().take(window.limit).collect();
        let next = rows.next().and(page.last()).map(|(place, _)| (*place).clone());
        let page: Vec<Gate> = page.into_iter().map(|(_, gate)| gate.clone()).collect();
        let total = self.inbox_total(org, assignees, &is_asked, window, ranges, &mut found).await?;
        Ok(Page { rows: page, next, total, unreadable: found.unreadable })
    }

    /// Returns the number of rows, counted up to [`COUNT_CAP`] and one more.
    async fn inbox_total(
        &self,
        org: &OrgId,
        assignees: Option<&[Option<Assignee>]>,
        is_asked: &(dyn Fn(&Gate) -> bool + Sync),
        window: &Window,
        mut ranges: Vec<Range>,
        found: &mut Found,
    ) -> Result<u64, PortError> {
        let cap = usize::try_from(COUNT_CAP + 1).unwrap_or(usize::MAX);
        if window.after.is_some() {
            if window.was_beyond_cap {
                return Ok(COUNT_CAP + 1);
            }
            // The rows before this page were not read.
            (found.rows, found.unreadable) = (BTreeMap::new(), 0);
            ranges = ranges.into_iter().map(|range| Range::with_prefix(range.prefix)).collect();
        }
        let list = format!("{org} {assignees:?}");
        if ranges.iter().any(|range| !range.is_read) && self.long_inboxes.has(&list) {
            return Ok(COUNT_CAP + 1);
        }
        for range in &mut ranges {
            while !range.is_read && found.rows.len() < cap {
                let batch = self.batch(org, range, MOST_ROWS, "").await?;
                found.add(range, batch, is_asked)?;
                found.leave_out_ended(self).await?;
            }
        }
        let total = found.rows.len().min(cap);
        if total == cap {
            self.long_inboxes.note(list);
        }
        Ok(total as u64)
    }

    /// Returns the next rows of a range after a place, as they are in the index, and where the rest begins.
    async fn batch(&self, org: &OrgId, range: &Range, rows: usize, after: &str) -> Result<Batch, PortError> {
        let prefix = &range.prefix;
        // A time begins with a digit, and `~` is above every character of a time and an id.
        let low = if after.is_empty() { format!("{prefix}0") } else { format!("{prefix}{after}~") };
        let request = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(keys::INBOX)
            .key_condition_expression("inboxPk = :pk AND inboxSk BETWEEN :low AND :high")
            .expression_attribute_values(":pk", text(keys::inbox(org)))
            .expression_attribute_values(":low", text(low))
            .expression_attribute_values(":high", text(format!("{prefix}9~")))
            .limit(i32::try_from(rows.max(1)).unwrap_or(i32::MAX))
            .set_exclusive_start_key(range.start.clone());
        let answer = request.send().await.map_err(error::port)?;
        Ok(Batch { items: answer.items.unwrap_or_default(), rest: answer.last_evaluated_key })
    }

    /// Returns the ranges that an organisation has: one small query for each.
    async fn ranges_of(&self, org: &OrgId) -> Result<Vec<Range>, PortError> {
        // Times are below every assignee.
        let mut ranges = vec![Range::of(None)];
        let mut low = ":".to_owned();
        loop {
            let request = self
                .client
                .query()
                .table_name(&self.name)
                .index_name(keys::INBOX)
                .key_condition_expression("inboxPk = :pk AND inboxSk > :low")
                .expression_attribute_values(":pk", text(keys::inbox(org)))
                .expression_attribute_values(":low", text(low))
                .projection_expression("inboxSk")
                .limit(1);
            let answer = request.send().await.map_err(error::port)?;
            let key = answer.items.unwrap_or_default().pop().and_then(|item| item.get("inboxSk")?.as_s().ok().cloned());
            let Some(key) = key else { return Ok(ranges) };
            let prefix = prefix_of(&key).to_owned();
            low = format!("{prefix}9~");
            ranges.push(Range::with_prefix(prefix));
        }
    }
}

struct Batch {
    items: Vec<crate::Item>,
    rest: Option<HashMap<String, AttributeValue>>,
}

/// The rows that were found, by their places.
struct Found {
    rows: BTreeMap<String, Gate>,
    unreadable: u64,
    ended: EndedRuns,
}

impl Found {
    fn add(&mut self, range: &mut Range, batch: Batch, is_asked: &(dyn Fn(&Gate) -> bool + Sync)) -> Result<(), PortError> {
        range.rows += batch.items.len();
        range.is_read = batch.rest.is_none();
        range.start = batch.rest;
        for item in batch.items {
            if let Some(key) = item.get("inboxSk").and_then(|key| key.as_s().ok()) {
                // Another assignee may begin with this one and a `#`.
                if prefix_of(key) != range.prefix {
                    continue;
                }
                range.down_to = key.get(range.prefix.len()..).unwrap_or_default().into();
            }
            let mut row = Readable::default();
            row.add(item, |item| read::<GateItem>(item)?.into_gate())?;
            self.unreadable += row.unreadable;
            if let Some(gate) = row.rows.pop().filter(|gate| is_asked(gate)) {
                self.rows.insert(place_of(&gate), gate);
            }
        }
        Ok(())
    }

    /// Drops the gates of runs that have ended: they are closed, although the index still has them.
    async fn leave_out_ended(&mut self, table: &Table) -> Result<(), PortError> {
        let ended = &mut self.ended;
        ended.look_at(table, self.rows.values().map(|gate| gate.run)).await?;
        self.rows.retain(|_, gate| !ended.has_ended(&gate.run));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_of_a_key_is_what_comes_before_the_time() {
        let place = "2026-11-25T04:10:25.050Z#apr_01M88EBJWTBPY32YK2YFTCVGED";
        for prefix in ["", "role:reviewer#", "user:a#b#", "role:a#2026#"] {
            assert_eq!(prefix_of(&format!("{prefix}{place}")), prefix);
        }
    }
}
