//! From the table's stream to the queue.

use domain::id::EndpointId;
use domain::ports::{Clock, Deliveries, DeliveryQueue, Flows, PortError, Runs, WebhookEndpoints};
use domain::webhook::{Delivery, DeliveryMessage, DomainEvent, StreamChange, domain_events};
use futures_util::stream::{self, StreamExt};

use crate::compose::{Composer, Name};
use crate::context::BatchContext;
use crate::save::save;

/// How many changes are processed at the same time.
const CONCURRENCY: usize = 8;

/// Makes events of what the table's stream shows.
#[derive(Debug, Clone)]
pub struct Publisher<R, F, W, Q> {
    /// Runs, steps and gates.
    pub runs: R,
    /// Versions of flows.
    pub flows: F,
    /// Endpoints, events and deliveries.
    pub webhooks: W,
    /// The queue.
    pub queue: Q,
    /// The URL of the console, for links to approvals; none if the deployment does not know it.
    pub console: Option<String>,
}

/// What was stored for one change.
#[derive(Default)]
struct Stored {
    /// The messages of its deliveries.
    messages: Vec<DeliveryMessage>,
    /// Why one of its events was not stored. The other events of the change were.
    failure: Option<PortError>,
}

impl<R: Runs, F: Flows, W: WebhookEndpoints + Deliveries, Q: DeliveryQueue> Publisher<R, F, W, Q> {
    /// Publishes the events of a batch of changes. Returns, for each change in order, whether all its deliveries are stored and queued.
    /// A change that failed may be given again, and so may the others: the ids follow from what happened, and what is stored already
    /// stays as it is.
    pub async fn publish(&self, changes: &[StreamChange], clock: &impl Clock) -> Vec<Result<(), PortError>> {
        let events: Vec<Vec<DomainEvent>> = changes.iter().map(domain_events).collect();
        let context = BatchContext::read(&self.runs, &self.webhooks, &events).await;
        let each = stream::iter(&events).map(|events| self.store_all(events, &context, clock));
        let stored: Vec<Stored> = each.buffered(CONCURRENCY).collect().await;
        self.queue_all(stored).await
    }

    /// Stores the events of one change.
    async fn store_all(&self, events: &[DomainEvent], context: &BatchContext, clock: &impl Clock) -> Stored {
        let mut stored = Stored::default();
        for event in events {
            match self.store(event, context, clock).await {
                Ok(messages) => stored.messages.extend(messages),
                Err(error) => stored.failure = worse(stored.failure, Some(error)),
            }
        }
        stored
    }

    /// Stores an event and a delivery for each endpoint that subscribes to it. Returns the messages of the deliveries.
    async fn store(&self, happened: &DomainEvent, context: &BatchContext, clock: &impl Clock) -> Result<Vec<DeliveryMessage>, PortError> {
        let endpoints = context.endpoints_for(happened)?;
        if endpoints.all.is_empty() {
            return Ok(Vec::new());
        }
        let composer = Composer { runs: &self.runs, flows: &self.flows, clock, console: self.console.as_deref() };
        let Name::Of { name, input } = composer.name(happened).await? else { return Ok(Vec::new()) };
        let subscribed: Vec<EndpointId> =
            endpoints.all.iter().filter(|endpoint| endpoint.wants(&name)).map(|endpoint| endpoint.id).collect();
        if subscribed.is_empty() {
            return Ok(Vec::new());
        }
        let event = composer.compose(happened, &name, input, endpoints.org).await?;
        let deliveries: Vec<Delivery> = subscribed.into_iter().map(|endpoint| Delivery::new(&event, endpoint)).collect();
        save(&self.webhooks, &event, &deliveries).await?;
        Ok(deliveries.iter().map(Delivery::message).collect())
    }

    /// Queues all messages. Returns, for each change in order, whether everything about it succeeded.
    async fn queue_all(&self, stored: Vec<Stored>) -> Vec<Result<(), PortError>> {
        let messages: Vec<DeliveryMessage> = stored.iter().flat_map(|change| change.messages.iter().copied()).collect();
        let mut sent = if messages.is_empty() { Vec::new() } else { self.queue.send(&messages).await }.into_iter();
        let outcome = |change: Stored| {
            let unsent = sent.by_ref().take(change.messages.len()).fold(None, |failure, sent| worse(failure, sent.err()));
            worse(change.failure, unsent).map_or(Ok(()), Err)
        };
        stored.into_iter().map(outcome).collect()
    }
}

/// Returns the error that decides what becomes of a change: one that may pass, so that the change comes again, before one that is
/// permanent.
fn worse(one: Option<PortError>, other: Option<PortError>) -> Option<PortError> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if one.is_permanent() { other } else { one }),
        (one, other) => one.or(other),
    }
}
