//! Where outbound webhooks are stored, queued and sent.

use std::future::Future;

use crate::error::{CommitError, PortError};
use crate::id::{DeliveryId, EndpointId, EventId, OrgId};
use crate::page::{Page, Window};
use crate::time::Time;
use crate::webhook::{AttemptResult, Delivery, DeliveryMessage, Endpoints, Event, Mail};

/// The webhook endpoints of organisations.
pub trait WebhookEndpoints {
    /// Returns all endpoints of an organisation, including every acknowledged write.
    fn endpoints(&self, org: &OrgId) -> impl Future<Output = Result<Endpoints, PortError>>;
    /// Writes the endpoints if they still have the `rev` that they were read with, and returns them with their new one.
    fn put_endpoints(&self, endpoints: Endpoints) -> impl Future<Output = Result<Endpoints, CommitError>>;
}

/// Events and their deliveries. Both are kept for [`KEPT_SECONDS`](crate::webhook::KEPT_SECONDS); what is older than that at `now` is
/// not returned, whether or not it has been deleted.
pub trait Deliveries {
    /// Writes an event. The first event with its id stays: to write an event again changes nothing.
    fn put_event(&self, event: &Event) -> impl Future<Output = Result<(), PortError>>;
    /// Returns an event of an organisation.
    fn event(&self, org: &OrgId, id: &EventId, now: Time) -> impl Future<Output = Result<Option<Event>, PortError>>;
    /// Writes a new delivery, unless one with its id exists.
    fn put_delivery(&self, delivery: &Delivery) -> impl Future<Output = Result<(), PortError>>;
    /// Writes a changed delivery if it still has the `rev` that it was read with, and returns it with its new one.
    fn update_delivery(&self, delivery: Delivery) -> impl Future<Output = Result<Delivery, CommitError>>;
    /// Returns a delivery.
    fn delivery(
        &self,
        org: &OrgId,
        endpoint: &EndpointId,
        id: &DeliveryId,
        now: Time,
    ) -> impl Future<Output = Result<Option<Delivery>, PortError>>;
    /// Returns messages for deliveries that failed or were requested again, and whose next attempt is due at `now`, with the time since
    /// which it is due: a bounded number of them, the longest due first.
    fn due(&self, now: Time) -> impl Future<Output = Result<Vec<(Time, DeliveryMessage)>, PortError>>;
    /// Returns deliveries to an endpoint, newest event first.
    fn deliveries(
        &self,
        org: &OrgId,
        endpoint: &EndpointId,
        window: &Window,
        now: Time,
    ) -> impl Future<Output = Result<Page<Delivery>, PortError>>;
}

/// The queue between events and their delivery.
pub trait DeliveryQueue {
    /// Sends messages to the queue, each fairly among those of other organisations. Returns for each, in order, whether the queue has
    /// certainly taken it.
    fn send(&self, messages: &[DeliveryMessage]) -> impl Future<Output = Vec<Result<(), PortError>>>;
    /// Sends a message to the dead-letter queue, for an operator to see. `body` is the message as it was in the queue.
    fn dead_letter(&self, body: &str) -> impl Future<Output = Result<(), PortError>>;
}

/// Sends requests to URLs of customers, past the egress guard.
pub trait WebhookSender {
    /// Posts a body with these headers and no others of ours. Every response is an answer, whatever its status.
    fn post(&self, org: &OrgId, url: &str, headers: &[(&'static str, String)], body: &str) -> impl Future<Output = AttemptResult>;
}

/// Sends mails.
pub trait MailSender {
    /// Hands a mail to the mail service, to all recipients at once. The answer of the service is a response like that of an endpoint: it has
    /// an HTTP status, and a 2xx says that the mail was accepted.
    fn send(&self, mail: &Mail) -> impl Future<Output = AttemptResult>;
}
