//! Outbound webhooks in memory: endpoints, events and deliveries.

use std::collections::BTreeMap;

use domain::id::{DeliveryId, EndpointId, EventId, OrgId};
use domain::ports::{CommitError, Deliveries, Page, PortError, WebhookEndpoints, Window};
use domain::time::Time;
use domain::webhook::{Delivery, DeliveryMessage, Endpoints, Event, KEPT_SECONDS};

use super::Memory;
use super::limits;
use super::lists::cut;

#[derive(Debug, Clone, Default)]
pub(super) struct Webhooks {
    endpoints: BTreeMap<OrgId, Endpoints>,
    events: BTreeMap<(OrgId, EventId), Event>,
    deliveries: BTreeMap<(OrgId, EndpointId, DeliveryId), Delivery>,
}

/// Returns whether what began at `since` has not expired by `now`. TTL counts in whole seconds.
fn is_kept(since: Time, now: Time) -> bool {
    since.plus_seconds(KEPT_SECONDS).seconds() > now.seconds()
}

impl Webhooks {
    fn put_endpoints(&mut self, endpoints: Endpoints) -> Result<Endpoints, CommitError> {
        limits::check(&[limits::endpoints_bytes(&endpoints)])?;
        let stored = self.endpoints.get(&endpoints.org).map_or(0, |stored| stored.rev);
        if stored != endpoints.rev {
            return Err(CommitError::Changed);
        }
        let endpoints = Endpoints { rev: stored + 1, ..endpoints };
        self.endpoints.insert(endpoints.org, endpoints.clone());
        Ok(endpoints)
    }

    fn update_delivery(&mut self, delivery: Delivery) -> Result<Delivery, CommitError> {
        limits::check(&[limits::delivery_bytes(&delivery)])?;
        let stored = self.deliveries.get_mut(&(delivery.org, delivery.endpoint, delivery.id));
        let stored = stored.filter(|stored| stored.rev == delivery.rev).ok_or(CommitError::Changed)?;
        *stored = Delivery { rev: delivery.rev + 1, ..delivery };
        Ok(stored.clone())
    }

    fn due(&self, now: Time) -> Vec<(Time, DeliveryMessage)> {
        let due = |delivery: &Delivery| Some((delivery.owed_at().filter(|at| *at <= now)?, delivery.message()));
        let mut due: Vec<(Time, DeliveryMessage)> = self.deliveries.values().filter_map(due).collect();
        due.sort_by_key(|(at, _)| *at);
        due
    }

    fn deliveries(&self, org: &OrgId, endpoint: &EndpointId, window: &Window, now: Time) -> Page<Delivery> {
        let ours = |delivery: &&Delivery| (delivery.org, delivery.endpoint) == (*org, *endpoint) && is_kept(delivery.created_at, now);
        let newest_first: Vec<Delivery> = self.deliveries.values().rev().filter(ours).cloned().collect();
        cut(&newest_first, window, |delivery| delivery.id.to_string(), |key, after| key < after)
    }
}

impl WebhookEndpoints for Memory {
    async fn endpoints(&self, org: &OrgId) -> Result<Endpoints, PortError> {
        let read = || self.state().webhooks.endpoints.get(org).cloned().unwrap_or_else(|| Endpoints::none(*org));
        self.faults.read("endpoints", || Ok(read())).await
    }

    async fn put_endpoints(&self, endpoints: Endpoints) -> Result<Endpoints, CommitError> {
        self.faults.call("put_endpoints", true, || self.state().webhooks.put_endpoints(endpoints.clone())).await
    }
}

impl Deliveries for Memory {
    async fn put_event(&self, event: &Event) -> Result<(), PortError> {
        let put = || _ = self.state().webhooks.events.entry((event.org, event.id)).or_insert_with(|| event.clone());
        self.faults
            .call("put_event", true, || {
                limits::check(&[limits::event_bytes(event)])?;
                put();
                Ok(())
            })
            .await
    }

    async fn event(&self, org: &OrgId, id: &EventId, now: Time) -> Result<Option<Event>, PortError> {
        let found = self.faults.read("event", || Ok(self.state().webhooks.events.get(&(*org, *id)).cloned())).await?;
        Ok(found.filter(|event| is_kept(event.occurred_at, now)))
    }

    async fn put_delivery(&self, delivery: &Delivery) -> Result<(), PortError> {
        let key = (delivery.org, delivery.endpoint, delivery.id);
        let put = || _ = self.state().webhooks.deliveries.entry(key).or_insert_with(|| delivery.clone());
        self.faults
            .call("put_delivery", true, || {
                limits::check(&[limits::delivery_bytes(delivery)])?;
                put();
                Ok(())
            })
            .await
    }

    async fn update_delivery(&self, delivery: Delivery) -> Result<Delivery, CommitError> {
        self.faults.call("update_delivery", true, || self.state().webhooks.update_delivery(delivery.clone())).await
    }

    async fn delivery(&self, org: &OrgId, endpoint: &EndpointId, id: &DeliveryId, now: Time) -> Result<Option<Delivery>, PortError> {
        let key = (*org, *endpoint, *id);
        let found = self.faults.read("delivery", || Ok(self.state().webhooks.deliveries.get(&key).cloned())).await?;
        Ok(found.filter(|delivery| is_kept(delivery.created_at, now)))
    }

    async fn due(&self, now: Time) -> Result<Vec<(Time, DeliveryMessage)>, PortError> {
        self.faults.read("due", || Ok(self.state().webhooks.due(now))).await
    }

    async fn deliveries(&self, org: &OrgId, endpoint: &EndpointId, window: &Window, now: Time) -> Result<Page<Delivery>, PortError> {
        self.faults.read("deliveries", || Ok(self.state().webhooks.deliveries(org, endpoint, window, now))).await
    }
}
