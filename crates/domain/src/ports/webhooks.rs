//! What webhooks need from the world.

use std::future::Future;

use crate::id::{DeliveryId, EndpointId, EventId, OrgId};
use crate::time::Time;
use crate::webhook::{AttemptResult, Delivery, DeliveryMessage, Endpoints, Event};

use super::{CommitError, Page, PortError, Window};

/// The endpoints of organisations.
pub trait WebhookEndpoints {
    /// All endpoints of an organisation, with everything that was ever acknowledged.
    fn endpoints(&self, org: &OrgId) -> impl Future<Output = Result<Endpoints, PortError>>;
    /// Writes them if they still have the `rev` that they were read with, and gives them with their new one.
    fn put_endpoints(&self, endpoints: Endpoints) -> impl Future<Output = Result<Endpoints, CommitError>>;
}

/// Events that somebody wanted, and their deliveries. Both are kept for [`KEPT_SECONDS`](crate::webhook::KEPT_SECONDS); what is older
/// than that at `now` is not there, whether or not it has been deleted.
pub trait Deliveries {
    /// Keeps an event. The first one with its id is the one that is kept: whoever sees an event again changes nothing.
    fn put_event(&self, event: &Event) -> impl Future<Output = Result<(), PortError>>;
    /// An event of an organisation.
    fn event(&self, org: &OrgId, id: &EventId, now: Time) -> impl Future<Output = Result<Option<Event>, PortError>>;
    /// Keeps a new delivery, unless there is one with its id.
    fn put_delivery(&self, delivery: &Delivery) -> impl Future<Output = Result<(), PortError>>;
    /// Writes a changed delivery if it still has the `rev` that it was read with, and gives it with its new one.
    fn update_delivery(&self, delivery: Delivery) -> impl Future<Output = Result<Delivery, CommitError>>;
    /// A delivery.
    fn delivery(
        &self,
        org: &OrgId,
        endpoint: &EndpointId,
        id: &DeliveryId,
        now: Time,
    ) -> impl Future<Output = Result<Option<Delivery>, PortError>>;
    /// Messages for deliveries that have failed, or were asked for again, and whose next attempt is due at `now`, with the time since which it
    /// is: a bounded number of them, the longest due first.
    fn due(&self, now: Time) -> impl Future<Output = Result<Vec<(Time, DeliveryMessage)>, PortError>>;
    /// Deliveries to an endpoint, newest event first.
    fn deliveries(
        &self,
        org: &OrgId,
        endpoint: &EndpointId,
        window: &Window,
        now: Time,
    ) -> impl Future<Output = Result<Page<Delivery>, PortError>>;
}

/// The queue between what happens and those who want to hear of it.
pub trait DeliveryQueue {
    /// Puts messages into the queue, each fairly beside those of other organisations. Says of each, in order, whether it is there
    /// for certain.
    fn send(&self, messages: &[DeliveryMessage]) -> impl Future<Output = Vec<Result<(), PortError>>>;
    /// Puts a message with the dead letters, for an operator to see. `body` as it was in the queue.
    fn dead_letter(&self, body: &str) -> impl Future<Output = Result<(), PortError>>;
}

/// Sends bytes to URLs of customers, past the egress guard.
pub trait WebhookSender {
    /// Posts a body with these headers, and nothing else of ours. Any answer is one, whatever its status.
    fn post(&self, org: &OrgId, url: &str, headers: &[(&'static str, String)], body: &str) -> impl Future<Output = AttemptResult>;
}
