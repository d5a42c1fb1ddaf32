//! An organisation's keys. The ring says which there are; what is true of a key is in its own item and nowhere else.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValue, Select};
use domain::access::{ApiKey, Revocation};
use domain::id::{KeyId, OrgId};
use domain::ports::{COUNT_CAP, CommitError, KeyRing, Page, PortError, Window};

use crate::items::{KeyItem, RingItem};
use crate::{Item, Table, error, keys, read, text, write};

/// `BatchGetItem` takes so many keys.
const BATCH: usize = 100;

impl KeyRing for Table {
    async fn create_key(&self, key: &ApiKey, secret_sha256: &str) -> Result<(), CommitError> {
        let writes = [write(&KeyItem::of(key, secret_sha256))?, write(&RingItem::of(key, secret_sha256))?];
        self.transact(writes.into_iter().map(|item| self.put_new(item)).collect::<Result<_, _>>()?).await
    }

    async fn api_keys(&self, org: &OrgId, window: &Window) -> Result<Page<ApiKey>, PortError> {
        let wanted = window.skip + window.limit + 1;
        let (ring, total) = futures_util::try_join!(self.ring(org, window.after.as_deref(), wanted), self.ring_size(org))?;
        let more = ring.len() >= wanted;
        let ring: Vec<RingItem> = ring.into_iter().skip(window.skip).take(window.limit).collect();
        let next = ring.last().filter(|_| more).map(|entry| entry.sk.clone());
        let mut found = HashMap::new();
        for entries in ring.chunks(BATCH) {
            for key in self.keys_of(entries).await? {
                found.insert(key.id.to_string(), key);
            }
        }
        let rows = ring.iter().map(|entry| found.remove(&entry.sk).ok_or_else(|| error::corrupt(format!("{} has no key", entry.sk))));
        Ok(Page { rows: rows.collect::<Result<_, _>>()?, next, total })
    }

    async fn revoke_key(&self, org: &OrgId, id: &KeyId, revocation: &Revocation) -> Result<Option<ApiKey>, PortError> {
        let Some(entry) = self.get::<RingItem>(&keys::key_ring(org), &id.to_string()).await? else { return Ok(None) };
        let request = self
            .client
            .update_item()
            .table_name(&self.name)
            .key("pk", text(keys::api_key(&entry.secret_sha256)))
            .key("sk", text(keys::KEY))
            .update_expression("SET revokedAt = if_not_exists(revokedAt, :at), revokedBy = if_not_exists(revokedBy, :by)")
            // An update creates what is not there, and half a key must not come into being.
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":at", text(revocation.at.to_string()))
            .expression_attribute_values(":by", text(&revocation.by))
            .return_values(ReturnValue::AllNew);
        match request.send().await {
            Ok(answer) => answer.attributes.map(|item| read::<KeyItem>(item)?.into_key()).transpose(),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Err(error::corrupt(format!("{id} has no key"))),
            Err(error) => Err(error::port(error)),
        }
    }
}

impl Table {
    /// Entries of the ring below `after`, newest first; strongly consistent, so that a new key is in the list at once.
    async fn ring(&self, org: &OrgId, after: Option<&str>, wanted: usize) -> Result<Vec<RingItem>, PortError> {
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
                .expression_attribute_values(":pk", text(keys::key_ring(org)))
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

    async fn ring_size(&self, org: &OrgId) -> Result<u64, PortError> {
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
                .expression_attribute_values(":pk", text(keys::key_ring(org)))
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

    /// The keys of at most [`BATCH`] entries, in no order.
    async fn keys_of(&self, entries: &[RingItem]) -> Result<Vec<ApiKey>, PortError> {
        let mut wanted: Vec<Item> = entries
            .iter()
            .map(|entry| Item::from([("pk".to_owned(), text(keys::api_key(&entry.secret_sha256))), ("sk".to_owned(), text(keys::KEY))]))
            .collect();
        let mut found = Vec::new();
        while !wanted.is_empty() {
            let request = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(true).build().map_err(error::corrupt)?;
            let answer = self.client.batch_get_item().request_items(&self.name, request).send().await.map_err(error::port)?;
            let items = answer.responses.unwrap_or_default().remove(&self.name).unwrap_or_default();
            for item in items {
                found.push(read::<KeyItem>(item)?.into_key()?);
            }
            // What a busy table leaves out is asked for again; the SDK does not do that by itself.
            wanted = answer.unprocessed_keys.unwrap_or_default().remove(&self.name).map(|rest| rest.keys).unwrap_or_default();
        }
        Ok(found)
    }
}
