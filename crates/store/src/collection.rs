//! Rings: partitions that say which things of a kind an organisation has, by id. What is true of a thing is in its own item.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Select};
use domain::ports::{COUNT_CAP, PortError};
use serde::de::DeserializeOwned;

use crate::{Item, Table, error, read, text};

/// `BatchGetItem` takes so many keys.
const BATCH: usize = 100;

impl Table {
    /// Entries of a ring below `after`, newest first; strongly consistent, so that what is new is in the list at once.
    pub(crate) async fn ring<T: DeserializeOwned>(&self, pk: &str, after: Option<&str>, wanted: usize) -> Result<Vec<T>, PortError> {
        let mut entries = Vec::new();
        let mut start = None;
        loop {
            let request = self
                .client
                .query()
                .table_name(&self.name)
                .consistent_read(true)
                .scan_index_forward(false)
                .key_condition_expression("pk = :pk AND sk < :after")
                .expression_attribute_values(":pk", text(pk))
                // Above every id, unless there is a cursor.
                .expression_attribute_values(":after", text(after.unwrap_or("~")))
                .limit(i32::try_from(wanted - entries.len()).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start);
            let answer = request.send().await.map_err(error::port)?;
            for item in answer.items.unwrap_or_default() {
                entries.push(read(item)?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() || entries.len() >= wanted {
                return Ok(entries);
            }
        }
    }

    /// How many entries it has, counted up to [`COUNT_CAP`] and one more.
    pub(crate) async fn ring_size(&self, pk: &str) -> Result<u64, PortError> {
        let mut count = 0;
        let mut start: Option<HashMap<String, AttributeValue>> = None;
        loop {
            let request = self
                .client
                .query()
                .table_name(&self.name)
                .consistent_read(true)
                .select(Select::Count)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", text(pk))
                .limit(i32::try_from(COUNT_CAP + 1).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start);
            let answer = request.send().await.map_err(error::port)?;
            count += u64::try_from(answer.count).unwrap_or_default();
            start = answer.last_evaluated_key;
            if start.is_none() || count > COUNT_CAP {
                return Ok(count.min(COUNT_CAP + 1));
            }
        }
    }

    /// The items with these keys that are there, in no order; strongly consistent.
    pub(crate) async fn all_of<T: DeserializeOwned>(&self, wanted: Vec<(String, &str)>) -> Result<Vec<T>, PortError> {
        let mut found = Vec::new();
        for keys in wanted.chunks(BATCH) {
            let key = |(pk, sk): &(String, &str)| Item::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(*sk))]);
            let mut keys: Vec<Item> = keys.iter().map(key).collect();
            while !keys.is_empty() {
                let request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build().map_err(error::corrupt)?;
                let answer = self.client.batch_get_item().request_items(&self.name, request).send().await.map_err(error::port)?;
                for item in answer.responses.unwrap_or_default().remove(&self.name).unwrap_or_default() {
                    found.push(read(item)?);
                }
                // What a busy table leaves out is asked for again; the SDK does not do that by itself.
                keys = answer.unprocessed_keys.unwrap_or_default().remove(&self.name).map(|rest| rest.keys).unwrap_or_default();
            }
        }
        Ok(found)
    }
}
