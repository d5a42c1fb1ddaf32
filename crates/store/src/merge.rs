//! Merges partitions of the index `lists`, or of the table, newest first, and reads little more than a page needs.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use domain::ports::{COUNT_CAP, PortError};
use futures_util::future::try_join_all;

use crate::{Item, Table, error, keys, text};

/// Where partitions are, and what their rows are sorted by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source {
    /// The index `lists`, sorted by the partition key of the table.
    Lists,
    /// The table, sorted by its sort key.
    Table,
}

impl Source {
    /// Returns the attribute that the rows are sorted by.
    fn sorted_by(self) -> &'static str {
        match self {
            Self::Lists => "pk",
            Self::Table => "sk",
        }
    }

    fn key_of(self, item: &Item) -> Result<String, PortError> {
        let key = item.get(self.sorted_by()).and_then(|key| key.as_s().ok());
        key.cloned().ok_or_else(|| error::corrupt("a row of a list without a key"))
    }
}

/// Partitions that may be read at the same time, because no row moves from one of them to another.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) partitions: Vec<String>,
    /// The number of rows that are read from each at first: as many as half a read unit buys, the least that a query costs. That is 4 KB.
    pub(crate) batch: usize,
}

/// A range of keys: from `low` (inclusive) to `high` (exclusive).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) low: String,
    pub(crate) high: String,
}

impl Span {
    fn is_empty(&self) -> bool {
        self.low >= self.high
    }

    /// Returns the part of the span at `key` or above.
    fn from(&self, key: &str) -> Self {
        Self { low: self.low.clone().max(key.to_owned()), high: self.high.clone() }
    }

    /// Returns the part of the span below `key`.
    pub(crate) fn below(&self, key: &str) -> Self {
        Self { low: self.low.clone(), high: self.high.clone().min(key.to_owned()) }
    }
}

/// How far a partition has been read.
#[derive(Debug, Clone)]
struct Reach {
    /// The number of rows that were read.
    rows: usize,
    /// The key below which nothing has been read. `None`: the whole partition has been read.
    down_to: Option<String>,
}

/// The newest rows of a span, gathered from partition after partition until there are enough.
#[derive(Debug)]
pub(crate) struct Merge<'a> {
    table: &'a Table,
    source: Source,
    span: Span,
    /// The number of rows that are needed.
    need: usize,
    /// The rows by their keys. A row that moved between two reads is here once, as it was read last.
    found: BTreeMap<String, Item>,
    reaches: BTreeMap<String, Reach>,
}

impl<'a> Merge<'a> {
    pub(crate) fn new(table: &'a Table, source: Source, span: Span, need: usize) -> Self {
        Self { table, source, span, need, found: BTreeMap::new(), reaches: BTreeMap::new() }
    }

    /// Reads the partitions of a group until the newest rows of all groups so far are certain, as many as are needed. Every key is read in
    /// this group after it was read in the groups that were added before.
    pub(crate) async fn add(&mut self, group: &Group) -> Result<(), PortError> {
        let Group { partitions, batch } = group;
        let first = self.need.min(*batch);
        let unread = Reach { rows: 0, down_to: Some(self.span.high.clone()) };
        let batches = partitions.iter().map(|partition| self.batch(partition, &unread, first));
        for (partition, (rows, reach)) in partitions.iter().zip(try_join_all(batches).await?) {
            self.found.extend(rows);
            self.reaches.insert(partition.clone(), reach);
        }
        // Above the highest key that some partition has not been read below, every row is known.
        while let Some((partition, reach, frontier)) = self.frontier(partitions) {
            let certain = self.found.range(frontier..).count();
            if certain >= self.need {
                break;
            }
            // Other partitions may have the rest: the number of rows read at once grows with the number that this one had already.
            let (rows, reach) = self.batch(&partition, &reach, (self.need - certain).min(reach.rows.max(*batch).saturating_mul(2))).await?;
            self.found.extend(rows);
            self.reaches.insert(partition, reach);
        }
        Ok(())
    }

    fn frontier(&self, partitions: &[String]) -> Option<(String, Reach, String)> {
        let unread = partitions.iter().filter_map(|partition| {
            let reach = self.reaches.get(partition)?;
            Some((partition.clone(), reach.clone(), reach.down_to.clone()?))
        });
        unread.max_by(|a, b| a.2.cmp(&b.2))
    }

    /// Returns at least `wanted` more rows of a partition, unless it has fewer, and how far it has been read then.
    async fn batch(&self, partition: &str, reach: &Reach, wanted: usize) -> Result<(Vec<(String, Item)>, Reach), PortError> {
        let mut rows = Vec::new();
        let mut down_to = reach.down_to.clone();
        while let Some(high) = &down_to
            && rows.len() < wanted
        {
            let span = self.span.below(high);
            if span.is_empty() {
                down_to = None;
                break;
            }
            let request = self.table.list_query(self.source, partition, &span).scan_index_forward(false);
            let answer = request.limit(i32::try_from(wanted - rows.len()).unwrap_or(i32::MAX)).send().await.map_err(error::port)?;
            for item in answer.items.unwrap_or_default() {
                rows.push((self.source.key_of(&item)?, item));
            }
            down_to = answer.last_evaluated_key.map(|key| self.source.key_of(&key)).transpose()?;
        }
        let reach = Reach { rows: reach.rows + rows.len(), down_to };
        Ok((rows, reach))
    }

    /// Returns the rows that were needed, newest first.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&String, &Item)> {
        self.found.iter().rev().take(self.need)
    }

    /// Returns the number of rows in `all`, counted up to [`COUNT_CAP`] and one more. `all` is the span or extends above it. What was read
    /// for the page is not read again where possible.
    pub(crate) async fn total(&self, all: &Span) -> Result<u64, PortError> {
        let above = all.from(&self.span.high);
        let mut total = 0;
        let mut rest = Vec::new();
        let mut seen = Vec::new();
        for (partition, reach) in &self.reaches {
            match &reach.down_to {
                None => {
                    total += reach.rows as u64;
                    seen.push((partition, above.clone()));
                }
                Some(down_to) if above.is_empty() => {
                    total += reach.rows as u64;
                    rest.push((partition, all.below(down_to), down_to));
                }
                // One query for all of it is cheaper than one for each end.
                Some(down_to) => rest.push((partition, all.clone(), down_to)),
            }
        }
        if rest.is_empty() && above.is_empty() {
            // Everything has been read. The rows are counted, and not the reads: a row that moved was read twice.
            return Ok((self.found.len() as u64).min(COUNT_CAP + 1));
        }
        // The partition whose rows are closest together is likely to have the most, and may reach the cap alone.
        rest.sort_by(|a, b| b.2.cmp(a.2));
        for (partition, span, _) in rest {
            total += self.table.count(self.source, partition, &span, (COUNT_CAP + 1).saturating_sub(total)).await?;
        }
        let left = (COUNT_CAP + 1).saturating_sub(total);
        let counts = try_join_all(seen.iter().map(|(partition, span)| self.table.count(self.source, partition, span, left))).await?;
        Ok((total + counts.iter().sum::<u64>()).min(COUNT_CAP + 1))
    }
}

impl Table {
    /// Returns the number of rows that a partition has in a span, up to `cap`.
    async fn count(&self, source: Source, partition: &str, span: &Span, cap: u64) -> Result<u64, PortError> {
        let mut count = 0;
        let mut start: Option<HashMap<String, AttributeValue>> = None;
        while count < cap && !span.is_empty() {
            let limit = i32::try_from(cap - count).unwrap_or(i32::MAX);
            let request = self.list_query(source, partition, span).select(Select::Count).limit(limit).set_exclusive_start_key(start);
            let answer = request.send().await.map_err(error::port)?;
            count += u64::try_from(answer.count).unwrap_or_default();
            start = answer.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(count)
    }

    fn list_query(&self, source: Source, partition: &str, span: &Span) -> QueryFluentBuilder {
        let query = self.client.query().table_name(&self.name);
        let query = match source {
            Source::Lists => query.index_name(keys::LISTS).key_condition_expression("listPk = :pk AND pk BETWEEN :low AND :high"),
            Source::Table => query.key_condition_expression("pk = :pk AND sk BETWEEN :low AND :high"),
        };
        query
            .expression_attribute_values(":pk", text(partition))
            .expression_attribute_values(":low", text(&span.low))
            // BETWEEN includes its upper bound, and a span does not.
            .expression_attribute_values(":high", text(just_below(&span.high)))
    }
}

/// Returns a text that is below `high` and above every key below `high`. Ids and times have a fixed length and characters below `~`, so it is enough
/// to lower the last character by one.
fn just_below(high: &str) -> String {
    let mut characters: Vec<char> = high.chars().collect();
    if let Some(last) = characters.last_mut() {
        *last = char::from_u32(u32::from(*last).saturating_sub(1)).unwrap_or(' ');
    }
    characters.push('~');
    characters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_just_below_a_key_is_above_every_key_below_it() {
        let (key, next) = ("RUN#run_01M85EXE14SECWM1TBH3987TR1", "RUN#run_01M85EXE14SECWM1TBH3987TR2");
        let bound = just_below(next);
        assert!(key < bound.as_str() && bound.as_str() < next);
        assert!(just_below(key).as_str() < key);
    }

    #[test]
    fn a_span_is_cut_and_never_grows() {
        let span = Span { low: "b".to_owned(), high: "m".to_owned() };
        assert_eq!(span.below("f"), Span { low: "b".to_owned(), high: "f".to_owned() });
        assert_eq!(span.from("f"), Span { low: "f".to_owned(), high: "m".to_owned() });
        assert_eq!((span.below("z"), span.from("a")), (span.clone(), span.clone()));
        assert!(span.below("a").is_empty() && span.from("z").is_empty() && !span.is_empty());
    }
}
