//! The items of outbound webhooks: all endpoints of an organisation in one item, events, and their deliveries.

use std::collections::BTreeSet;

use domain::id::{DeliveryId, EndpointId, EventId, OrgId};
use domain::ports::PortError;
use domain::secret::Sealed;
use domain::time::Time;
use domain::webhook::{Delivery, DeliveryStatus, Endpoint, EndpointKind, Endpoints, Event, KEPT_SECONDS, Subscription, Target};
use serde::{Deserialize, Serialize};

use crate::error::corrupt;
use crate::keys;

/// All endpoints of an organisation.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EndpointsItem {
    pk: String,
    sk: String,
    org: OrgId,
    endpoints: Vec<EndpointItem>,
    rev: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EndpointItem {
    id: EndpointId,
    /// Absent for the kind `webhook`, the only one that earlier versions knew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// What may be shown of the URL. Earlier versions require it, so it is there, and empty, for mails as well.
    url: String,
    /// The recipients of mails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    to: Vec<String>,
    events: BTreeSet<Subscription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// The secret, or the URL if that is a secret. Empty for mails.
    secret: Sealed,
    secret_since: Time,
    created_by: String,
}

impl EndpointItem {
    fn of(endpoint: &Endpoint) -> Self {
        let secret = match &endpoint.target {
            Target::Webhook { secret, .. } => secret.clone(),
            Target::Slack { url, .. } => url.clone(),
            Target::Email { .. } => Sealed::from_text(""),
        };
        Self {
            id: endpoint.id,
            kind: Some(endpoint.target.kind()).filter(|kind| *kind != EndpointKind::Webhook).map(|kind| kind.to_string()),
            url: endpoint.target.shown_url().unwrap_or_default().to_owned(),
            to: endpoint.target.recipients().unwrap_or_default().to_vec(),
            events: endpoint.events.clone(),
            description: endpoint.description.clone(),
            secret,
            secret_since: endpoint.secret_since,
            created_by: endpoint.created_by.clone(),
        }
    }

    fn into_endpoint(self) -> Result<Endpoint, PortError> {
        let kind = self.kind.as_deref().map_or(Some(EndpointKind::Webhook), EndpointKind::from_name);
        let kind = kind.ok_or_else(|| corrupt(format!("kind of webhook `{}`", self.kind.unwrap_or_default())))?;
        let target = match kind {
            EndpointKind::Webhook => Target::Webhook { url: self.url, secret: self.secret },
            EndpointKind::Slack => Target::Slack { origin: self.url, url: self.secret },
            EndpointKind::Email => Target::Email { to: self.to },
        };
        Ok(Endpoint {
            id: self.id,
            target,
            events: self.events,
            description: self.description,
            secret_since: self.secret_since,
            created_by: self.created_by,
        })
    }
}

impl EndpointsItem {
    pub(crate) fn of(endpoints: &Endpoints) -> Self {
        Self {
            pk: keys::webhooks(&endpoints.org),
            sk: keys::WEBHOOKS.to_owned(),
            org: endpoints.org,
            endpoints: endpoints.all.iter().map(EndpointItem::of).collect(),
            rev: endpoints.rev,
        }
    }

    /// Returns the endpoints. Fails if one is of a kind that only a later version knows.
    pub(crate) fn into_endpoints(self) -> Result<Endpoints, PortError> {
        let all = self.endpoints.into_iter().map(EndpointItem::into_endpoint).collect::<Result<_, _>>()?;
        Ok(Endpoints { org: self.org, all, rev: self.rev })
    }
}

/// An event that an endpoint subscribes to.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventItem {
    pk: String,
    sk: String,
    org: OrgId,
    id: EventId,
    name: String,
    occurred_at: Time,
    body: String,
    /// The time to live, in seconds since the Unix epoch.
    expires_at: u64,
}

impl EventItem {
    pub(crate) fn of(event: &Event) -> Self {
        Self {
            pk: keys::event(&event.org, &event.id),
            sk: keys::EVENT.to_owned(),
            org: event.org,
            id: event.id,
            name: event.name.clone(),
            occurred_at: event.occurred_at,
            body: event.body.clone(),
            expires_at: event.occurred_at.plus_seconds(KEPT_SECONDS).seconds(),
        }
    }

    /// Returns the event, or `None` if it has expired by `now`.
    pub(crate) fn into_event_at(self, now: Time) -> Option<Event> {
        let is_kept = self.expires_at > now.seconds();
        is_kept.then_some(Event { id: self.id, name: self.name, org: self.org, occurred_at: self.occurred_at, body: self.body })
    }
}

/// The delivery of an event to an endpoint.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryItem {
    pk: String,
    pub(crate) sk: String,
    org: OrgId,
    endpoint: EndpointId,
    id: DeliveryId,
    event: EventId,
    event_name: String,
    status: String,
    attempts: u32,
    round: u32,
    tries: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_attempt_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    created_at: Time,
    rev: u64,
    /// Only while another attempt is due: the index `outbox` has its message, sorted by the due time.
    #[serde(skip_serializing_if = "Option::is_none")]
    outbox_pk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outbox_sk: Option<String>,
    /// The time to live, in seconds since the Unix epoch.
    expires_at: u64,
}

impl DeliveryItem {
    pub(crate) fn of(delivery: &Delivery) -> Self {
        Self {
            pk: keys::deliveries(&delivery.org, &delivery.endpoint),
            sk: delivery.id.to_string(),
            org: delivery.org,
            endpoint: delivery.endpoint,
            id: delivery.id,
            event: delivery.event,
            event_name: delivery.event_name.clone(),
            status: delivery.status.to_string(),
            attempts: delivery.attempts,
            round: delivery.round,
            tries: delivery.tries,
            next_attempt_at: delivery.next_attempt_at,
            last_attempt_at: delivery.last_attempt_at,
            last_status_code: delivery.last_status_code,
            answer: delivery.answer.clone(),
            error: delivery.error.clone(),
            created_at: delivery.created_at,
            rev: delivery.rev,
            outbox_pk: delivery.owed_at().map(|_| keys::deliveries_due(&delivery.id)),
            outbox_sk: delivery.owed_at().map(|at| keys::delivery_due(at, &delivery.message())),
            expires_at: delivery.expires_at().seconds(),
        }
    }

    /// Returns the delivery, or `None` if it has expired by `now`.
    pub(crate) fn into_delivery_at(self, now: Time) -> Result<Option<Delivery>, PortError> {
        if self.expires_at <= now.seconds() {
            return Ok(None);
        }
        let status = DeliveryStatus::from_name(&self.status).ok_or_else(|| corrupt(format!("delivery status `{}`", self.status)))?;
        Ok(Some(Delivery {
            id: self.id,
            org: self.org,
            endpoint: self.endpoint,
            event: self.event,
            event_name: self.event_name,
            status,
            attempts: self.attempts,
            round: self.round,
            tries: self.tries,
            next_attempt_at: self.next_attempt_at,
            last_attempt_at: self.last_attempt_at,
            last_status_code: self.last_status_code,
            answer: self.answer,
            error: self.error,
            created_at: self.created_at,
            rev: self.rev,
        }))
    }
}
