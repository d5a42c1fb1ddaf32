//! People who sign in: the providers of organisations, and the sessions of browsers.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{Delete, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use domain::access::{Bucket, Limits, Minute, Usage};
use domain::id::{OrgId, SessionId};
use domain::login::{IDLE_SECONDS, IdentityProvider, Session, audience_sha256};
use domain::ports::{CommitError, Counted, IdentityProviders, Logins, PortError, SessionAdmission, Sessions, Window};
use domain::time::Time;

use crate::collection::Collection;
use crate::items::{ProviderEntry, ProviderItem, SessionEntry, SessionItem, counter};
use crate::{Item, Table, error, keys, number, read, text, write};

/// The most sessions of an organisation that are listed.
const MAX_LISTED: usize = 1_000;
/// How long the counters of a login are kept, in seconds: a minute, and one more for clocks that differ.
const COUNTERS_SECONDS: u64 = 3_600;

impl Logins for Table {
    async fn provider_for(&self, issuer: &str, audience: &str) -> Result<Option<IdentityProvider>, PortError> {
        let found = self.get::<ProviderItem>(&keys::audience(&audience_sha256(issuer, audience)), keys::AUDIENCE).await?;
        found.map(ProviderItem::into_provider).transpose()
    }

    async fn count_login(&self, login_sha256: &str, bucket: Bucket, all: Limits, now: Time) -> Result<Counted, PortError> {
        let (minute, limit) = (Minute::of(now), all.of(bucket.class()));
        // The counters of each minute are an item of their own, which expires.
        let count = bucket.to_string();
        let request = self
            .update_request(keys::login(login_sha256, minute.number()), keys::LOGIN)
            .update_expression("SET expiresAt = :expiresAt ADD #count :one")
            .condition_expression("attribute_not_exists(#count) OR #count < :limit")
            .expression_attribute_values(":expiresAt", number(now.seconds() + COUNTERS_SECONDS));
        let (counted, item) = counted(request, &count, limit).await?;
        let usage = Usage { bucket, limit, used: used(item.as_ref(), &count), minute };
        Ok(if counted { Counted::Admitted(usage) } else { Counted::Exhausted(usage) })
    }

    async fn admit_session(&self, secret_sha256: &str, bucket: Bucket, all: Limits, now: Time) -> Result<SessionAdmission, PortError> {
        let (minute, limit) = (Minute::of(now), all.of(bucket.class()));
        let count = counter(minute, bucket);
        let request = self
            .update_request(keys::session(secret_sha256), keys::SESSION)
            .update_expression("SET usedAt = :now, idleUntil = :idleUntil ADD #count :one")
            .condition_expression(
                "attribute_exists(pk) AND attribute_not_exists(endedAt) AND idleUntil > :now AND validUntil > :now AND \
                 (attribute_not_exists(#count) OR #count < :limit)",
            )
            .expression_attribute_values(":now", text(now.to_string()))
            .expression_attribute_values(":idleUntil", text(now.plus_seconds(IDLE_SECONDS).to_string()));
        let (counted, item) = counted(request, &count, limit).await?;
        let usage = Usage { bucket, limit, used: used(item.as_ref(), &count), minute };
        let Some(item) = item else { return Ok(SessionAdmission::Unknown) };
        let session = read::<SessionItem>(item)?.into_session()?;
        Ok(match counted {
            true => SessionAdmission::Admitted(session, usage),
            false if session.is_over(now) => SessionAdmission::Unknown,
            false => SessionAdmission::Exhausted(usage),
        })
    }
}

/// Counts a request with an update that has a condition. Returns whether it was counted, and the item after that, if there is one.
async fn counted(request: UpdateItemFluentBuilder, count: &str, limit: u32) -> Result<(bool, Option<Item>), PortError> {
    let request = request
        .expression_attribute_names("#count", count)
        .expression_attribute_values(":one", number(1))
        .expression_attribute_values(":limit", number(u64::from(limit)))
        .return_values(ReturnValue::AllNew)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    match request.send().await {
        Ok(answer) => Ok((true, answer.attributes)),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => Ok((false, refused.item().cloned())),
            _ => Err(error::port(error)),
        },
    }
}

fn used(item: Option<&Item>, count: &str) -> u32 {
    item.and_then(|item| item.get(count)).and_then(|value| value.as_n().ok()).and_then(|count| count.parse().ok()).unwrap_or(0)
}

impl IdentityProviders for Table {
    async fn identity_provider(&self, org: &OrgId) -> Result<Option<IdentityProvider>, PortError> {
        let found = self.get::<ProviderItem>(&keys::organisation(org), keys::IDENTITY_PROVIDER).await?;
        found.map(ProviderItem::into_provider).transpose()
    }

    async fn put_identity_provider(&self, provider: &IdentityProvider, before: Option<&IdentityProvider>) -> Result<(), CommitError> {
        let item = ProviderItem::of(provider);
        let mut writes = vec![self.put_if(write(&item)?, as_read(before), before.map(|before| before.updated_at))?];
        writes.push(self.put_if(write(&ProviderEntry::of(&provider.org))?, "", None)?);
        let hashes: Vec<String> = provider.audience_hashes().collect();
        for hash in &hashes {
            let put = Put::builder()
                .table_name(&self.name)
                .set_item(Some(write(&item.clone().under_audience(hash))?))
                .condition_expression("attribute_not_exists(pk) OR org = :org")
                .expression_attribute_values(":org", text(provider.org.to_string()));
            writes.push(TransactWriteItem::builder().put(put.build().map_err(error::corrupt)?).build());
        }
        for old in before.into_iter().flat_map(IdentityProvider::audience_hashes).filter(|old| !hashes.contains(old)) {
            writes.push(self.delete_if(keys::audience(&old), keys::AUDIENCE, None)?);
        }
        self.transact(writes).await
    }

    async fn delete_identity_provider(&self, provider: &IdentityProvider) -> Result<(), CommitError> {
        let org = keys::organisation(&provider.org);
        let mut writes = vec![
            self.delete_if(org, keys::IDENTITY_PROVIDER, Some(provider.updated_at))?,
            self.delete_if(keys::IDENTITY_PROVIDERS.to_owned(), &provider.org.to_string(), None)?,
        ];
        for hash in provider.audience_hashes() {
            writes.push(self.delete_if(keys::audience(&hash), keys::AUDIENCE, None)?);
        }
        self.transact(writes).await
    }

    async fn only_identity_provider(&self) -> Result<Option<OrgId>, PortError> {
        let request = self.client.query().table_name(&self.name).key_condition_expression("pk = :pk").limit(2);
        let found = request.expression_attribute_values(":pk", text(keys::IDENTITY_PROVIDERS)).send().await.map_err(error::port)?;
        let mut entries = found.items.unwrap_or_default();
        let Some(entry) = entries.pop().filter(|_| entries.is_empty()) else { return Ok(None) };
        read::<ProviderEntry>(entry)?.sk.parse().map(Some).map_err(error::corrupt)
    }
}

/// Returns the condition that the provider of an organisation is still as it was read.
fn as_read(before: Option<&IdentityProvider>) -> &'static str {
    if before.is_some() { "updatedAt = :updatedAt" } else { "attribute_not_exists(pk)" }
}

impl Table {
    /// Returns a put with a condition; an empty one is none.
    fn put_if(&self, item: Item, condition: &str, updated_at: Option<Time>) -> Result<TransactWriteItem, PortError> {
        let mut put = Put::builder().table_name(&self.name).set_item(Some(item));
        if !condition.is_empty() {
            put = put.condition_expression(condition);
        }
        if let Some(at) = updated_at {
            put = put.expression_attribute_values(":updatedAt", text(at.to_string()));
        }
        Ok(TransactWriteItem::builder().put(put.build().map_err(error::corrupt)?).build())
    }

    fn delete_if(&self, pk: String, sk: &str, updated_at: Option<Time>) -> Result<TransactWriteItem, PortError> {
        let mut delete = Delete::builder().table_name(&self.name).key("pk", text(pk)).key("sk", text(sk));
        if let Some(at) = updated_at {
            delete = delete.condition_expression("updatedAt = :updatedAt").expression_attribute_values(":updatedAt", text(at.to_string()));
        }
        Ok(TransactWriteItem::builder().delete(delete.build().map_err(error::corrupt)?).build())
    }
}

impl Sessions for Table {
    async fn create_session(&self, session: &Session, secret_sha256: &str) -> Result<(), CommitError> {
        let items = [write(&SessionItem::of(session, secret_sha256))?, write(&SessionEntry::of(session, secret_sha256))?];
        self.transact(items.into_iter().map(|item| self.new_item(item)).collect::<Result<_, _>>()?).await
    }

    async fn sessions(&self, org: &OrgId) -> Result<Vec<Session>, PortError> {
        let window = Window { limit: MAX_LISTED, was_beyond_cap: true, ..Window::default() };
        let entries = self.collection_page(&Collection::all(keys::sessions(org)), &window, read::<SessionEntry>).await?;
        let wanted = entries.rows.iter().map(|entry| (keys::session(&entry.secret_sha256), keys::SESSION)).collect();
        let mut found = self.all_of(wanted, |item| read::<SessionItem>(item)?.into_session()).await?.rows;
        found.retain(|session| session.ended_at.is_none());
        found.sort_by_key(|session| std::cmp::Reverse(session.id));
        Ok(found)
    }

    async fn session(&self, org: &OrgId, id: &SessionId) -> Result<Option<Session>, PortError> {
        let Some(entry) = self.get::<SessionEntry>(&keys::sessions(org), &id.to_string()).await? else { return Ok(None) };
        let found = self.get::<SessionItem>(&keys::session(&entry.secret_sha256), keys::SESSION).await?;
        Ok(found.map(SessionItem::into_session).transpose()?.filter(|session| session.ended_at.is_none()))
    }

    async fn end_session(&self, org: &OrgId, id: &SessionId, now: Time) -> Result<bool, PortError> {
        let Some(entry) = self.get::<SessionEntry>(&keys::sessions(org), &id.to_string()).await? else { return Ok(false) };
        // The session first: if the second write is lost, the list still has it, and it can be ended again.
        let request = self
            .update_request(keys::session(&entry.secret_sha256), keys::SESSION)
            .update_expression("SET endedAt = if_not_exists(endedAt, :now)")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", text(now.to_string()));
        match request.send().await {
            Ok(_) => {}
            // TTL has deleted it.
            Err(refused) if error::is_condition(&refused) => {}
            Err(error) => return Err(error::port(error)),
        }
        let request = self.client.delete_item().table_name(&self.name);
        request.key("pk", text(keys::sessions(org))).key("sk", text(id.to_string())).send().await.map_err(error::port)?;
        Ok(true)
    }
}
