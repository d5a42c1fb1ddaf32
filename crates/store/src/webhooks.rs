//! Webhooks: endpoints, events that somebody wanted, and their deliveries.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use domain::id::{DeliveryId, EndpointId, EventId, OrgId};
use domain::ports::{COUNT_CAP, CommitError, Deliveries, Page, PortError, WebhookEndpoints, Window};
use domain::time::Time;
use domain::webhook::{Delivery, DeliveryMessage, Endpoints, Event, KEPT_SECONDS};
use futures_util::future::try_join_all;

use crate::items::{DeliveryItem, EndpointsItem, EventItem};
use crate::{Item, Table, error, keys, number, read, text, write};

impl WebhookEndpoints for Table {
    async fn endpoints(&self, org: &OrgId) -> Result<Endpoints, PortError> {
        let found = self.get::<EndpointsItem>(&keys::webhooks(org), keys::WEBHOOKS).await?;
        Ok(found.map_or_else(|| Endpoints::none(*org), EndpointsItem::into_endpoints))
    }

    async fn put_endpoints(&self, endpoints: Endpoints) -> Result<Endpoints, CommitError> {
        let expected = endpoints.rev;
        let endpoints = Endpoints { rev: expected + 1, ..endpoints };
        self.put_at_rev(write(&EndpointsItem::of(&endpoints))?, expected).await?;
        Ok(endpoints)
    }
}

impl Deliveries for Table {
    async fn put_event(&self, event: &Event) -> Result<(), PortError> {
        self.put_unless_there(write(&EventItem::of(event))?).await
    }

    async fn event(&self, org: &OrgId, id: &EventId, now: Time) -> Result<Option<Event>, PortError> {
        let found = self.get::<EventItem>(&keys::event(org, id), keys::EVENT).await?;
        Ok(found.and_then(|item| item.into_event_at(now)))
    }

    async fn put_delivery(&self, delivery: &Delivery) -> Result<(), PortError> {
        self.put_unless_there(write(&DeliveryItem::of(delivery))?).await
    }

    async fn update_delivery(&self, delivery: Delivery) -> Result<Delivery, CommitError> {
        let expected = number(delivery.rev);
        let delivery = Delivery { rev: delivery.rev + 1, ..delivery };
        let put = self.client.put_item().table_name(&self.name).set_item(Some(write(&DeliveryItem::of(&delivery))?));
        // One that TTL has deleted does not come back.
        put.condition_expression("rev = :rev").expression_attribute_values(":rev", expected).send().await.map_err(error::put)?;
        Ok(delivery)
    }

    async fn delivery(&self, org: &OrgId, endpoint: &EndpointId, id: &DeliveryId, now: Time) -> Result<Option<Delivery>, PortError> {
        let found = self.get::<DeliveryItem>(&keys::deliveries(org, endpoint), &id.to_string()).await?;
        found.map_or(Ok(None), |item| item.into_delivery_at(now))
    }

    async fn due(&self, now: Time) -> Result<Vec<(Time, DeliveryMessage)>, PortError> {
        let shards =
            try_join_all((0..keys::OUTBOX_SHARDS).map(|shard| self.deliveries_due_in(keys::deliveries_owed_shard(shard), now))).await?;
        let mut due: Vec<(Time, DeliveryMessage)> = shards.into_iter().flatten().collect();
        due.sort_by_key(|(at, _)| *at);
        Ok(due)
    }

    async fn deliveries(&self, org: &OrgId, endpoint: &EndpointId, window: &Window, now: Time) -> Result<Page<Delivery>, PortError> {
        let pk = keys::deliveries(org, endpoint);
        let wanted = window.skip + window.limit + 1;
        let (items, total) = futures_util::try_join!(self.newest(&pk, window.after.as_deref(), wanted, now), self.kept(&pk, now))?;
        let more = items.len() >= wanted;
        let items: Vec<DeliveryItem> = items.into_iter().skip(window.skip).take(window.limit).collect();
        let next = items.last().filter(|_| more).map(|item| item.sk.clone());
        let rows = items.into_iter().filter_map(|item| item.into_delivery_at(now).transpose()).collect::<Result<_, _>>()?;
        Ok(Page { rows, next, total })
    }
}

impl Table {
    async fn put_unless_there(&self, item: Item) -> Result<(), PortError> {
        let put = self.client.put_item().table_name(&self.name).set_item(Some(item)).condition_expression("attribute_not_exists(pk)");
        match put.send().await.map_err(error::put) {
            Ok(_) | Err(CommitError::Changed) => Ok(()),
            Err(CommitError::Port(error)) => Err(error),
        }
    }

    /// Puts an item in the place of one that has that `rev`; 0: of none.
    async fn put_at_rev(&self, item: Item, rev: u64) -> Result<(), CommitError> {
        let put = self.client.put_item().table_name(&self.name).set_item(Some(item));
        let put = if rev == 0 {
            put.condition_expression("attribute_not_exists(pk)")
        } else {
            put.condition_expression("rev = :rev").expression_attribute_values(":rev", number(rev))
        };
        put.send().await.map_err(error::put)?;
        Ok(())
    }

    /// One page: what is beyond it waits for the next look.
    async fn deliveries_due_in(&self, shard: String, now: Time) -> Result<Vec<(Time, DeliveryMessage)>, PortError> {
        let request = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(keys::OUTBOX)
            .key_condition_expression("outboxPk = :pk AND outboxSk < :end")
            .projection_expression("outboxSk")
            .expression_attribute_values(":pk", text(shard))
            // `$` is the character after `#`: everything that is due at `now` or before.
            .expression_attribute_values(":end", text(format!("{now}$")));
        let items = request.send().await.map_err(error::port)?.items.unwrap_or_default();
        let due = |item: &Item| item.get("outboxSk").and_then(|key| key.as_s().ok()).and_then(|key| keys::parse_delivery_due(key));
        Ok(items.iter().filter_map(due).collect())
    }

    /// What is kept of an endpoint's deliveries: an id says when its event happened, so those whose time is up are not even read.
    fn kept_since(&self, pk: &str, now: Time) -> QueryFluentBuilder {
        // TTL counts in whole seconds.
        let oldest = DeliveryId::lowest(Time::from_millis((now.seconds() + 1).saturating_sub(KEPT_SECONDS) * 1000));
        let query = self.client.query().table_name(&self.name).consistent_read(true).scan_index_forward(false);
        query
            .key_condition_expression("pk = :pk AND sk >= :oldest")
            .expression_attribute_values(":pk", text(pk))
            .expression_attribute_values(":oldest", text(oldest.to_string()))
    }

    async fn newest(&self, pk: &str, after: Option<&str>, wanted: usize, now: Time) -> Result<Vec<DeliveryItem>, PortError> {
        let mut items = Vec::new();
        let mut start = after.map(|after| HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(after))]));
        loop {
            let limit = i32::try_from(wanted - items.len()).unwrap_or(i32::MAX);
            let answer = self.kept_since(pk, now).limit(limit).set_exclusive_start_key(start).send().await.map_err(error::port)?;
            for item in answer.items.unwrap_or_default() {
                items.push(read(item)?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() || items.len() >= wanted {
                return Ok(items);
            }
        }
    }

    async fn kept(&self, pk: &str, now: Time) -> Result<u64, PortError> {
        let mut count = 0;
        let mut start: Option<HashMap<String, AttributeValue>> = None;
        let most = i32::try_from(COUNT_CAP + 1).unwrap_or(i32::MAX);
        loop {
            let query = self.kept_since(pk, now).select(Select::Count).limit(most).set_exclusive_start_key(start);
            let answer = query.send().await.map_err(error::port)?;
            count += u64::try_from(answer.count).unwrap_or_default();
            start = answer.last_evaluated_key;
            if start.is_none() || count > COUNT_CAP {
                return Ok(count.min(COUNT_CAP + 1));
            }
        }
    }
}
