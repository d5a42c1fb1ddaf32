//! Outbound webhooks: endpoints, events that an endpoint subscribes to, and their deliveries.

use domain::id::{DeliveryId, EndpointId, EventId, OrgId};
use domain::ports::{CommitError, Deliveries, Page, PortError, WebhookEndpoints, Window};
use domain::time::Time;
use domain::webhook::{Delivery, DeliveryMessage, Endpoints, Event, KEPT_SECONDS};
use futures_util::future::try_join_all;

use crate::collection::Collection;
use crate::items::{DeliveryItem, EndpointsItem, EventItem};
use crate::{Table, keys, read, write};

/// The most due deliveries that one tick takes from each partition of the outbox. The rest waits for the next tick.
const MAX_DUE: usize = 10_000;

impl WebhookEndpoints for Table {
    async fn endpoints(&self, org: &OrgId) -> Result<Endpoints, PortError> {
        let found = self.get::<EndpointsItem>(&keys::webhooks(org), keys::WEBHOOKS).await?;
        found.map_or_else(|| Ok(Endpoints::none(*org)), EndpointsItem::into_endpoints)
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
        self.put_once(write(&EventItem::of(event))?).await
    }

    async fn event(&self, org: &OrgId, id: &EventId, now: Time) -> Result<Option<Event>, PortError> {
        let found = self.get::<EventItem>(&keys::event(org, id), keys::EVENT).await?;
        Ok(found.and_then(|item| item.into_event_at(now)))
    }

    async fn put_delivery(&self, delivery: &Delivery) -> Result<(), PortError> {
        self.put_once(write(&DeliveryItem::of(delivery))?).await
    }

    async fn update_delivery(&self, delivery: Delivery) -> Result<Delivery, CommitError> {
        let expected = delivery.rev;
        let delivery = Delivery { rev: expected + 1, ..delivery };
        // A delivery that TTL has deleted is not written again.
        self.replace_at_rev(write(&DeliveryItem::of(&delivery))?, expected).await?;
        Ok(delivery)
    }

    async fn delivery(&self, org: &OrgId, endpoint: &EndpointId, id: &DeliveryId, now: Time) -> Result<Option<Delivery>, PortError> {
        let found = self.get::<DeliveryItem>(&keys::deliveries(org, endpoint), &id.to_string()).await?;
        found.map_or(Ok(None), |item| item.into_delivery_at(now))
    }

    async fn due(&self, now: Time) -> Result<Vec<(Time, DeliveryMessage)>, PortError> {
        let shards = (0..keys::OUTBOX_SHARDS).map(|shard| self.outbox_due(keys::deliveries_due_shard(shard), now, MAX_DUE));
        let due = try_join_all(shards).await?.into_iter().flatten();
        let mut due: Vec<(Time, DeliveryMessage)> = due.filter_map(|key| keys::parse_delivery_due(&key)).collect();
        due.sort_by_key(|(at, _)| *at);
        Ok(due)
    }

    async fn deliveries(&self, org: &OrgId, endpoint: &EndpointId, window: &Window, now: Time) -> Result<Page<Delivery>, PortError> {
        // The id of a delivery has the time of its event, so those that have expired are not even read. TTL counts in whole seconds.
        let oldest = DeliveryId::lowest(Time::from_millis((now.seconds() + 1).saturating_sub(KEPT_SECONDS) * 1000));
        let collection = Collection::from(keys::deliveries(org, endpoint), oldest.to_string());
        let page = self.collection_page(&collection, window, |item| read::<DeliveryItem>(item)?.into_delivery_at(now)).await?;
        Ok(Page { rows: page.rows.into_iter().flatten().collect(), next: page.next, total: page.total, unreadable: page.unreadable })
    }
}
