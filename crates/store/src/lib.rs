//! Stores everything in one DynamoDB table, and payloads of more than 100 KB in S3.
//!
//! [`Table`] has flows, keys, connections and lists; [`RunStore`] adds runs and their payloads. `items` has one type for each kind of
//! item, and `keys` makes the keys of the table and of its indexes. `docs/stored-format.md` describes the format.

mod admission;
mod api_keys;
mod approvals;
mod changes;
mod collection;
mod connections;
mod cron;
mod decisions;
mod ended_runs;
mod error;
mod flows;
mod inbox;
mod items;
mod keys;
mod lists;
mod logins;
mod long_retention;
mod merge;
mod networks;
mod objects;
mod organisations;
mod outbox;
mod outputs;
mod presigned;
mod progress;
mod readable;
mod runs;
mod webhook_triggers;
mod webhooks;
mod writes;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::ports::PortError;
use runtime::{BadSetting, setting};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use changes::change;
pub use objects::Objects;
pub use outputs::expired_record;
pub use runs::RunStore;

type Item = std::collections::HashMap<String, AttributeValue>;

/// The DynamoDB table.
#[derive(Debug, Clone)]
pub struct Table {
    client: Client,
    name: String,
    key_cache: admission::KeyCache,
    /// The cursor secrets that this process has read. They never change.
    cursor_secrets: organisations::CursorSecrets,
    /// The lists that need not be counted again.
    beyond_cap: lists::BeyondCap,
    /// The inboxes that have more rows than are counted.
    long_inboxes: inbox::LongInboxes,
}

impl Table {
    /// Returns the table called `name`.
    pub fn new(config: &SdkConfig, name: impl Into<String>) -> Self {
        Self {
            client: Client::new(config),
            name: name.into(),
            key_cache: admission::KeyCache::default(),
            cursor_secrets: organisations::CursorSecrets::default(),
            beyond_cap: lists::BeyondCap::default(),
            long_inboxes: inbox::LongInboxes::default(),
        }
    }

    /// Returns the table that the environment variable `TABLE_NAME` names.
    pub fn from_env(config: &SdkConfig) -> Result<Self, BadSetting> {
        Ok(Self::new(config, setting("TABLE_NAME")?))
    }

    /// Returns an item, with every write that was acknowledged before (a strongly consistent read).
    async fn get<T: DeserializeOwned>(&self, pk: &str, sk: &str) -> Result<Option<T>, PortError> {
        self.get_request(pk, sk).consistent_read(true).send().await.map_err(error::port)?.item.map(read).transpose()
    }

    /// Returns all items of a partition whose sort key begins with `prefix`, in order, in strongly consistent reads.
    async fn partition<T: DeserializeOwned>(&self, pk: &str, prefix: &str) -> Result<Vec<T>, PortError> {
        let mut rows = Vec::new();
        let mut start = None;
        loop {
            let request = self
                .client
                .query()
                .table_name(&self.name)
                .consistent_read(true)
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":pk", text(pk))
                .expression_attribute_values(":prefix", text(prefix))
                .set_exclusive_start_key(start);
            let answer = request.send().await.map_err(error::port)?;
            for item in answer.items.unwrap_or_default() {
                rows.push(read(item)?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(rows);
            }
        }
    }
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn write<T: Serialize>(item: &T) -> Result<Item, PortError> {
    serde_dynamo::to_item(item).map_err(error::corrupt)
}

fn read<T: DeserializeOwned>(item: Item) -> Result<T, PortError> {
    serde_dynamo::from_item(item).map_err(error::corrupt)
}
