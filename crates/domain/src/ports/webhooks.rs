//! What webhooks need from the world.

use std::future::Future;

use crate::id::{DeliveryId, EndpointId, EventId, OrgId};
use crate::time::Time;
use crate::webhook::{Attempted, Delivery, Endpoints, Event, Message};

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
    fn send(&self, messages: &[Message]) -> impl Future<Output = Vec<Result<(), PortError>>>;
    /// Hides a message that was received under this handle for so many seconds, 12 hours at most.
    fn postpone(&self, handle: &str, seconds: u64) -> impl Future<Output = Result<(), PortError>>;
    /// Puts a message with the dead letters, for an operator to see. `body` as it was in the queue.
    fn set_aside(&self, body: &str) -> impl Future<Output = Result<(), PortError>>;
}

/// Sends bytes to URLs of customers, past the egress guard.
pub trait Courier {
    /// Posts a body with these headers, and nothing else of ours. Any answer is one, whatever its status.
    fn post(&self, org: &OrgId, url: &str, headers: &[(&'static str, String)], body: &str) -> impl Future<Output = Attempted>;
}
