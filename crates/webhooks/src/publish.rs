//! From the table's stream to the queue.

use std::collections::BTreeMap;

use domain::error::ApplicationError;
use domain::id::{DeliveryId, EndpointId, EventId, OrgId, RunId};
use domain::ports::{Clock, CommitError, Deliveries, DeliveryQueue, Flows, PortError, Runs, WebhookEndpoints, spec_for};
use domain::run::RunStatus;
use domain::step::{Payload, StepRecord};
use domain::webhook::{
    Delivery, DeliveryMessage, DomainEvent, Endpoints, Event, Reading, StreamChange, data_of, domain_events, names, test_event,
};
use futures_util::stream::{self, StreamExt};
use serde_json::Value;

/// So many events are made at a time.
const AT_ONCE: usize = 8;
/// How often a delivery that changed meanwhile is thought about anew.
const MAX_TRIES: usize = 10;

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
}

/// What a batch has found out so far.
#[derive(Default)]
struct Known {
    orgs: BTreeMap<RunId, OrgId>,
    endpoints: BTreeMap<OrgId, Result<Endpoints, PortError>>,
}

impl<R: Runs, F: Flows, W: WebhookEndpoints + Deliveries, Q: DeliveryQueue> Publisher<R, F, W, Q> {
    /// Tells of what happened in a batch of changes. Says of each change, in order, whether everything that it is about has come into
    /// the queue for certain; one that has not may be given again, and so may the others: ids follow from what happened, and what is
    /// kept already stays as it is.
    pub async fn publish(&self, changes: &[StreamChange], clock: &impl Clock) -> Vec<Result<(), PortError>> {
        let domain_events: Vec<(usize, DomainEvent)> = changes
            .iter()
            .enumerate()
            .flat_map(|(at, change)| domain_events(change).into_iter().map(move |occasion| (at, occasion)))
            .collect();
        let mut outcomes = vec![Ok(()); changes.len()];
        let known = self.look_up(&domain_events, &mut outcomes).await;
        let kept = stream::iter(&domain_events)
            .map(async |(at, occasion)| (*at, self.keep(occasion, &known, clock).await))
            .buffered(AT_ONCE)
            .collect::<Vec<_>>();
        let mut messages = Vec::new();
        for (at, kept) in kept.await {
            match kept {
                Ok(new) => messages.extend(new.into_iter().map(|message| (at, message))),
                Err(error) => note(&mut outcomes, at, error),
            }
        }
        let sent: Vec<DeliveryMessage> = messages.iter().map(|(_, message)| *message).collect();
        let sent = if sent.is_empty() { Vec::new() } else { self.queue.send(&sent).await };
        for ((at, _), sent) in messages.iter().zip(sent) {
            if let Err(error) = sent {
                note(&mut outcomes, *at, error);
            }
        }
        outcomes
    }

    /// Whose runs these are, and which endpoints those have: each is read once.
    async fn look_up(&self, domain_events: &[(usize, DomainEvent)], outcomes: &mut [Result<(), PortError>]) -> Known {
        let mut known = Known::default();
        for (_, occasion) in domain_events {
            if let Some(org) = occasion.org() {
                known.orgs.insert(occasion.run(), org);
            }
        }
        for (at, occasion) in domain_events {
            if known.orgs.contains_key(&occasion.run()) {
                continue;
            }
            match self.runs.load(&occasion.run()).await {
                Ok(Some(run)) => _ = known.orgs.insert(run.id, run.org),
                Ok(None) => note(outcomes, *at, PortError::Corrupt(format!("{} has steps and is not there", occasion.run()))),
                Err(error) => note(outcomes, *at, error),
            }
        }
        let orgs: std::collections::BTreeSet<OrgId> = known.orgs.values().copied().collect();
        for org in orgs {
            known.endpoints.insert(org, self.webhooks.endpoints(&org).await);
        }
        known
    }

    /// Keeps the event and a delivery for each endpoint that wants it; gives their messages.
    async fn keep(&self, occasion: &DomainEvent, known: &Known, clock: &impl Clock) -> Result<Vec<DeliveryMessage>, PortError> {
        // Otherwise it has been noted already that this one failed.
        let Some(org) = known.orgs.get(&occasion.run()) else { return Ok(Vec::new()) };
        let endpoints = match known.endpoints.get(org) {
            Some(Ok(endpoints)) => endpoints,
            Some(Err(error)) => return Err(error.clone()),
            None => return Ok(Vec::new()),
        };
        if endpoints.all.is_empty() {
            return Ok(Vec::new());
        }
        let mut reading = Reading::default();
        let name = match (occasion.name(), occasion) {
            (None, DomainEvent::Emitted(step)) => {
                reading.fetched = self.beside(step, step.input.as_ref(), clock).await?;
                let input = step.input.as_ref().and_then(Payload::value).map(AsRef::as_ref).or(reading.fetched.as_ref());
                if input.is_none() && matches!(step.input, Some(Payload::Stored(_))) {
                    tracing::warn!(run = %step.run, node = %step.node, "an event was purged before it could be told");
                    return Ok(Vec::new());
                }
                let name = input.and_then(|input| input.get("event")).and_then(Value::as_str);
                name.map(str::to_owned).ok_or_else(|| PortError::Corrupt(format!("{} of {} emits without a name", step.node, step.run)))?
            }
            (name, _) => name.unwrap_or_default().to_owned(),
        };
        let wanted: Vec<EndpointId> = endpoints.all.iter().filter(|endpoint| endpoint.wants(&name)).map(|endpoint| endpoint.id).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        self.read_for(occasion, &mut reading, clock).await?;
        let event = Event::new(occasion.event_id(), &name, *org, occasion.at(), data_of(occasion, &reading));
        let deliveries: Vec<Delivery> = wanted.into_iter().map(|endpoint| Delivery::new(&event, endpoint)).collect();
        keep(&self.webhooks, &event, &deliveries).await?;
        Ok(deliveries.iter().map(Delivery::message).collect())
    }

    /// Reads what the event is to say beside the occasion itself.
    async fn read_for(&self, occasion: &DomainEvent, reading: &mut Reading, clock: &impl Clock) -> Result<(), PortError> {
        match occasion {
            DomainEvent::Started(run) => reading.input = Some(self.runs.input(run).await?),
            DomainEvent::Ended(run) if run.status == RunStatus::Succeeded => {
                reading.spec = Some(spec_for(&self.flows, run).await?);
                reading.steps = self.runs.steps(run, clock.now()).await?;
                reading.gates = self.runs.gates(run).await?;
            }
            DomainEvent::Generating { run, .. } => reading.spec = Some(spec_for(&self.flows, run).await?),
            DomainEvent::Generated(step) => reading.fetched = self.beside(step, step.output.as_ref(), clock).await?,
            DomainEvent::Ended(_) | DomainEvent::Opened(_) | DomainEvent::Emitted(_) => {}
        }
        Ok(())
    }

    /// A payload of a step that lies in object storage; none if it has been purged since. That is for good, so it is no failure: the
    /// record would come again for half a day, and everything behind it in the stream would wait.
    async fn beside(&self, step: &StepRecord, payload: Option<&Payload>, clock: &impl Clock) -> Result<Option<Value>, PortError> {
        let Some(Payload::Stored(object)) = payload else { return Ok(None) };
        match self.runs.fetch(object).await {
            Ok(value) => Ok(Some(value)),
            Err(_) if self.is_purged(step, clock).await? => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn is_purged(&self, step: &StepRecord, clock: &impl Clock) -> Result<bool, PortError> {
        let Some(run) = self.runs.load(&step.run).await? else { return Ok(false) };
        let kept = self.runs.step(&run, &step.node, clock.now()).await?;
        Ok(kept.is_some_and(|kept| kept.purged.is_some()))
    }
}

fn note(outcomes: &mut [Result<(), PortError>], at: usize, error: PortError) {
    if let Some(outcome) = outcomes.get_mut(at) {
        *outcome = Err(error);
    }
}

/// The event comes first: a delivery that is there has something to deliver.
async fn keep(webhooks: &impl Deliveries, event: &Event, deliveries: &[Delivery]) -> Result<(), PortError> {
    webhooks.put_event(event).await?;
    for delivery in deliveries {
        webhooks.put_delivery(delivery).await?;
    }
    Ok(())
}

/// Sends `webhook.test` to an endpoint, the way that every event goes. Gives the delivery.
pub async fn test<W: WebhookEndpoints + Deliveries>(
    webhooks: &W,
    queue: &impl DeliveryQueue,
    clock: &impl Clock,
    org: &OrgId,
    endpoint: &EndpointId,
    random: u128,
) -> Result<Delivery, ApplicationError> {
    webhooks.endpoints(org).await?.get(endpoint)?;
    let now = clock.now();
    let event = test_event(EventId::new(now, random), *org, now);
    debug_assert_eq!(event.name, names::TEST);
    let delivery = Delivery::new(&event, *endpoint);
    keep(webhooks, &event, std::slice::from_ref(&delivery)).await?;
    send_one(queue, &delivery).await?;
    Ok(delivery)
}

/// Delivers an event to an endpoint once more, under the same ids, whatever became of it before.
pub async fn redeliver<W: WebhookEndpoints + Deliveries>(
    webhooks: &W,
    queue: &impl DeliveryQueue,
    clock: &impl Clock,
    org: &OrgId,
    endpoint: &EndpointId,
    delivery: &DeliveryId,
) -> Result<Delivery, ApplicationError> {
    webhooks.endpoints(org).await?.get(endpoint)?;
    for _ in 0..MAX_TRIES {
        let found = webhooks.delivery(org, endpoint, delivery, clock.now()).await?.ok_or(ApplicationError::NotFound("delivery"))?;
        match webhooks.update_delivery(found.again(clock.now())).await {
            Ok(again) => {
                send_one(queue, &again).await?;
                return Ok(again);
            }
            Err(CommitError::Changed) => {}
            Err(CommitError::Port(error)) => return Err(error.into()),
        }
    }
    Err(PortError::Unavailable(format!("{delivery} changed {MAX_TRIES} times while this was being decided")).into())
}

async fn send_one(queue: &impl DeliveryQueue, delivery: &Delivery) -> Result<(), PortError> {
    queue.send(&[delivery.message()]).await.into_iter().collect()
}
