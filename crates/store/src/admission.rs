//! Admits requests: one conditional write finds the key, checks its limit and records its use.
//!
//! The key's item has its counters, so the write that counts returns the key. Nothing is read before it, unless this process has not seen
//! the key lately: then a read says whether the key exists (a flood of invented keys costs reads and no writes), and which counters are
//! old.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::access::{ApiKey, Bucket, Class, Limits, Minute, Usage};
use domain::ports::{Admission, Keys, PortError};
use domain::time::Time;

use crate::items::{KeyItem, counter, old_counters};
use crate::{Item, Table, error, keys, number, read, text};

/// The most counters that one write removes. An expression may have 300 operands, and an item rarely has twenty old counters.
const MAX_REMOVED: usize = 50;

impl Keys for Table {
    async fn admit(&self, secret_sha256: &str, bucket: Bucket, all: Limits, now: Time) -> Result<Admission, PortError> {
        let minute = Minute::of(now);
        let old = match self.key_cache.take(secret_sha256) {
            Some(old) => old,
            None => match self.key_item(secret_sha256).await? {
                Some(item) if is_valid(&item, now)? => old_counters(&item, minute),
                _ => return Ok(Admission::Unknown),
            },
        };
        let count = counter(minute, bucket);
        let (admitted, item) = self.count_request(secret_sha256, &count, bucket.class(), all, now, &old).await?;
        let Some(item) = item else { return Ok(Admission::Unknown) };
        self.key_cache.put(secret_sha256, old_counters(&item, minute));
        let used = item.get(&count).and_then(|value| value.as_n().ok()).and_then(|count| count.parse().ok()).unwrap_or(0);
        let key = read::<KeyItem>(item)?.into_key()?;
        let usage = Usage { bucket, limit: key.limits.or(all, bucket.class()), used, minute };
        Ok(match admitted {
            true => Admission::Admitted(key, usage),
            false if key.is_valid(now) => Admission::Exhausted(usage),
            false => Admission::Unknown,
        })
    }
}

impl Table {
    async fn key_item(&self, secret_sha256: &str) -> Result<Option<Item>, PortError> {
        let request = self.client.get_item().table_name(&self.name).key("pk", text(keys::api_key(secret_sha256)));
        Ok(request.key("sk", text(keys::KEY)).consistent_read(true).send().await.map_err(error::port)?.item)
    }

    /// Counts a request. Returns whether it was counted, and the item after that.
    async fn count_request(
        &self,
        secret_sha256: &str,
        count: &str,
        class: Class,
        all: Limits,
        now: Time,
        old: &[String],
    ) -> Result<(bool, Option<Item>), PortError> {
        let removed: Vec<(String, &String)> =
            old.iter().take(MAX_REMOVED).enumerate().map(|(at, name)| (format!("#old{at}"), name)).collect();
        let names: Vec<&str> = removed.iter().map(|(placeholder, _)| placeholder.as_str()).collect();
        let removing = if names.is_empty() { String::new() } else { format!(" REMOVE {}", names.join(", ")) };
        let own = match class {
            Class::Read => "readsAMinute",
            Class::Write => "writesAMinute",
        };
        let mut request = self
            .client
            .update_item()
            .table_name(&self.name)
            .key("pk", text(keys::api_key(secret_sha256)))
            .key("sk", text(keys::KEY))
            .update_expression(format!("SET usedAt = :hour ADD #count :one{removing}"))
            .condition_expression(format!(
                "attribute_exists(pk) AND attribute_not_exists(revokedAt) AND (attribute_not_exists(validUntil) OR validUntil > :now) AND \
                 (attribute_not_exists(#count) OR #count < {own} OR (attribute_not_exists({own}) AND #count < :limit))"
            ))
            .expression_attribute_names("#count", count)
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":hour", text(now.hour().to_string()))
            .expression_attribute_values(":now", text(now.to_string()))
            .expression_attribute_values(":limit", number(u64::from(all.of(class))))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        for (placeholder, name) in removed {
            request = request.expression_attribute_names(placeholder, name);
        }
        match request.send().await {
            Ok(answer) => Ok((true, answer.attributes)),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => Ok((false, refused.item().cloned())),
                _ => Err(error::port(error)),
            },
        }
    }
}

fn is_valid(item: &HashMap<String, AttributeValue>, now: Time) -> Result<bool, PortError> {
    let key: ApiKey = read::<KeyItem>(item.clone())?.into_key()?;
    Ok(key.is_valid(now))
}

/// The most keys that a process remembers.
const MAX_REMEMBERED: usize = 1_000;

/// The keys that this process has seen, each with the counters that were old at that time. Without it each request costs a read more.
#[derive(Clone, Default)]
pub(crate) struct KeyCache(Arc<Mutex<HashMap<String, Vec<String>>>>);

impl KeyCache {
    fn keys(&self) -> MutexGuard<'_, HashMap<String, Vec<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, secret_sha256: &str) -> Option<Vec<String>> {
        self.keys().get_mut(secret_sha256).map(std::mem::take)
    }

    fn put(&self, secret_sha256: &str, old: Vec<String>) {
        let mut keys = self.keys();
        if keys.len() >= MAX_REMEMBERED && !keys.contains_key(secret_sha256) {
            keys.clear();
        }
        keys.insert(secret_sha256.to_owned(), old);
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCache").field("keys", &self.keys().len()).finish_non_exhaustive()
    }
}
