//! The API keys of organisations. A collection lists the keys of an organisation; the state of a key is only in its own item.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{ConditionCheck, ReturnValue, TransactWriteItem};
use domain::access::{ApiKey, Revocation};
use domain::id::{KeyId, OrgId};
use domain::ports::{ApiKeys, CommitError, Page, PortError, Window};

use crate::collection::Collection;
use crate::items::{KeyEntry, KeyItem};
use crate::{Table, error, keys, read, text, write};

impl ApiKeys for Table {
    async fn create_key(&self, key: &ApiKey, secret_sha256: &str) -> Result<(), CommitError> {
        let writes = [write(&KeyItem::of(key, secret_sha256))?, write(&KeyEntry::of(key, secret_sha256))?];
        self.transact(writes.into_iter().map(|item| self.new_item(item)).collect::<Result<_, _>>()?).await
    }

    async fn create_key_under(&self, key: &ApiKey, secret_sha256: &str, maker_sha256: &str) -> Result<(), CommitError> {
        let maker = ConditionCheck::builder()
            .table_name(&self.name)
            .key("pk", text(keys::api_key(maker_sha256)))
            .key("sk", text(keys::KEY))
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(revokedAt)")
            .build()
            .map_err(error::corrupt)?;
        let mut writes = vec![TransactWriteItem::builder().condition_check(maker).build()];
        for item in [write(&KeyItem::of(key, secret_sha256))?, write(&KeyEntry::of(key, secret_sha256))?] {
            writes.push(self.new_item(item)?);
        }
        self.transact(writes).await
    }

    async fn api_keys(&self, org: &OrgId, window: &Window) -> Result<Page<ApiKey>, PortError> {
        let collection = Collection::all(keys::api_keys(org));
        let entries = self.collection_page(&collection, window, read::<KeyEntry>).await?;
        let wanted = entries.rows.iter().map(|entry| (keys::api_key(&entry.secret_sha256), keys::KEY)).collect();
        let found = self.all_of(wanted, |item| read::<KeyItem>(item)?.into_key()).await?;
        let mut by_id: HashMap<String, ApiKey> = found.rows.into_iter().map(|key| (key.id.to_string(), key)).collect();
        let rows: Vec<ApiKey> = entries.rows.iter().filter_map(|entry| by_id.remove(&entry.sk)).collect();
        let unreadable = entries.unreadable + (entries.rows.len() - rows.len()) as u64;
        Ok(Page { rows, next: entries.next, total: entries.total, unreadable })
    }

    async fn revoke_key(&self, org: &OrgId, id: &KeyId, revocation: &Revocation) -> Result<Option<ApiKey>, PortError> {
        let Some(entry) = self.get::<KeyEntry>(&keys::api_keys(org), &id.to_string()).await? else { return Ok(None) };
        let request = self
            .update_request(keys::api_key(&entry.secret_sha256), keys::KEY)
            .update_expression("SET revokedAt = if_not_exists(revokedAt, :at), revokedBy = if_not_exists(revokedBy, :by)")
            // An update creates an item that does not exist, and half a key must not exist.
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":at", text(revocation.at.to_string()))
            .expression_attribute_values(":by", text(&revocation.by))
            .return_values(ReturnValue::AllNew);
        match request.send().await {
            Ok(answer) => answer.attributes.map(|item| read::<KeyItem>(item)?.into_key()).transpose(),
            Err(refused) if error::is_condition(&refused) => Err(error::corrupt(format!("{id} has no key"))),
            Err(error) => Err(error::port(error)),
        }
    }
}
