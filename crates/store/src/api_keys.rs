//! An organisation's keys. The ring says which there are; what is true of a key is in its own item and nowhere else.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::ReturnValue;
use domain::access::{ApiKey, Revocation};
use domain::id::{KeyId, OrgId};
use domain::ports::{ApiKeys, CommitError, Page, PortError, Window};

use crate::items::{CollectionItem, KeyItem};
use crate::{Table, error, keys, read, text, write};

impl ApiKeys for Table {
    async fn create_key(&self, key: &ApiKey, secret_sha256: &str) -> Result<(), CommitError> {
        let writes = [write(&KeyItem::of(key, secret_sha256))?, write(&CollectionItem::of(key, secret_sha256))?];
        self.transact(writes.into_iter().map(|item| self.put_new(item)).collect::<Result<_, _>>()?).await
    }

    async fn api_keys(&self, org: &OrgId, window: &Window) -> Result<Page<ApiKey>, PortError> {
        let wanted = window.skip + window.limit + 1;
        let pk = keys::api_keys(org);
        let (ring, total) = futures_util::try_join!(self.ring(&pk, window.after.as_deref(), wanted), self.ring_size(&pk))?;
        let more = ring.len() >= wanted;
        let ring: Vec<CollectionItem> = ring.into_iter().skip(window.skip).take(window.limit).collect();
        let next = ring.last().filter(|_| more).map(|entry| entry.sk.clone());
        let mut found = HashMap::new();
        for key in self.keys_of(&ring).await? {
            found.insert(key.id.to_string(), key);
        }
        let rows = ring.iter().map(|entry| found.remove(&entry.sk).ok_or_else(|| error::corrupt(format!("{} has no key", entry.sk))));
        Ok(Page { rows: rows.collect::<Result<_, _>>()?, next, total })
    }

    async fn revoke_key(&self, org: &OrgId, id: &KeyId, revocation: &Revocation) -> Result<Option<ApiKey>, PortError> {
        let Some(entry) = self.get::<CollectionItem>(&keys::api_keys(org), &id.to_string()).await? else { return Ok(None) };
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
    /// The keys of some entries, in no order.
    async fn keys_of(&self, entries: &[CollectionItem]) -> Result<Vec<ApiKey>, PortError> {
        let wanted = entries.iter().map(|entry| (keys::api_key(&entry.secret_sha256), keys::KEY)).collect();
        let items: Vec<KeyItem> = self.all_of(wanted).await?;
        items.into_iter().map(KeyItem::into_key).collect()
    }
}
