//! Collections: partitions whose sort keys are ids, read page by page, newest first.
//!
//! What an organisation has of keys or connections is a collection of entries: an entry says where a thing is, and nothing that could
//! change; the thing has an item of its own. The deliveries to an endpoint are a collection too.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Select};
use domain::ports::{COUNT_CAP, Page, PortError, Window};

use crate::readable::Readable;
use crate::{Item, Table, error, text};

/// The most keys that one `BatchGetItem` takes.
const BATCH: usize = 100;
/// Sorts before every id.
const LOWEST: &str = " ";

/// A collection, or the part of it from an id on.
pub(crate) struct Collection {
    pk: String,
    /// The lowest id that belongs to it.
    low: String,
}

impl Collection {
    /// Returns the whole collection.
    pub(crate) fn all(pk: String) -> Self {
        Self { pk, low: LOWEST.to_owned() }
    }

    /// Returns the part of the collection whose ids are `low` or higher.
    pub(crate) fn from(pk: String, low: String) -> Self {
        Self { pk, low }
    }
}

impl Table {
    /// Returns a page of a collection, newest first. Strongly consistent, so that what is new is in the list at once. `read` makes a row of
    /// an item.
    pub(crate) async fn collection_page<T>(
        &self,
        collection: &Collection,
        window: &Window,
        read: impl Fn(Item) -> Result<T, PortError>,
    ) -> Result<Page<T>, PortError> {
        // One more than a page has tells whether there is another page.
        let wanted = window.skip + window.limit + 1;
        let newest = self.newest(collection, window.after.as_deref(), wanted);
        let (found, total) = futures_util::try_join!(newest, self.collection_size(collection))?;
        let has_more = found.len() >= wanted;
        let (mut page, mut last) = (Readable::default(), None);
        for item in found.into_iter().skip(window.skip).take(window.limit) {
            last = item.get("sk").and_then(|id| id.as_s().ok()).cloned();
            page.add(item, &read)?;
        }
        Ok(Page { rows: page.rows, next: last.filter(|_| has_more), total, unreadable: page.unreadable })
    }

    async fn newest(&self, of: &Collection, after: Option<&str>, wanted: usize) -> Result<Vec<Item>, PortError> {
        let mut items = Vec::new();
        let mut start = after.map(|after| HashMap::from([("pk".to_owned(), text(&of.pk)), ("sk".to_owned(), text(after))]));
        loop {
            let limit = i32::try_from(wanted - items.len()).unwrap_or(i32::MAX);
            let request = self.collection_query(of).scan_index_forward(false).limit(limit).set_exclusive_start_key(start);
            let answer = request.send().await.map_err(error::port)?;
            items.append(&mut answer.items.unwrap_or_default());
            start = answer.last_evaluated_key;
            if start.is_none() || items.len() >= wanted {
                return Ok(items);
            }
        }
    }

    /// Returns the number of items, counted up to [`COUNT_CAP`] and one more.
    async fn collection_size(&self, of: &Collection) -> Result<u64, PortError> {
        let mut count = 0;
        let mut start: Option<HashMap<String, AttributeValue>> = None;
        let most = i32::try_from(COUNT_CAP + 1).unwrap_or(i32::MAX);
        loop {
            let request = self.collection_query(of).select(Select::Count).limit(most).set_exclusive_start_key(start);
            let answer = request.send().await.map_err(error::port)?;
            count += u64::try_from(answer.count).unwrap_or_default();
            start = answer.last_evaluated_key;
            if start.is_none() || count > COUNT_CAP {
                return Ok(count.min(COUNT_CAP + 1));
            }
        }
    }

    fn collection_query(&self, of: &Collection) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk >= :low")
            .expression_attribute_values(":pk", text(&of.pk))
            .expression_attribute_values(":low", text(&of.low))
    }

    /// Returns the items with these keys that exist, in no order, as `read` reads them. Strongly consistent.
    pub(crate) async fn all_of<T>(
        &self,
        wanted: Vec<(String, &str)>,
        read: impl Fn(Item) -> Result<T, PortError>,
    ) -> Result<Readable<T>, PortError> {
        let mut found = Readable::default();
        for keys in wanted.chunks(BATCH) {
            let key = |(pk, sk): &(String, &str)| Item::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(*sk))]);
            let mut keys: Vec<Item> = keys.iter().map(key).collect();
            while !keys.is_empty() {
                let request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build().map_err(error::corrupt)?;
                let answer = self.client.batch_get_item().request_items(&self.name, request).send().await.map_err(error::port)?;
                for item in answer.responses.unwrap_or_default().remove(&self.name).unwrap_or_default() {
                    found.add(item, &read)?;
                }
                // What a busy table leaves out is requested again; the SDK does not do that by itself.
                keys = answer.unprocessed_keys.unwrap_or_default().remove(&self.name).map(|rest| rest.keys).unwrap_or_default();
            }
        }
        Ok(found)
    }
}
