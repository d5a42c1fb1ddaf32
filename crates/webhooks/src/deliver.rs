//! From the queue to endpoints.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::OrgId;
use domain::ports::{Clock, CommitError, Courier, Deliveries, DeliveryQueue, PortError, Vault, WebhookEndpoints};
use domain::signature::sign;
use domain::webhook::{Delivery, DeliveryStatus, Endpoint, Endpoints, Message, headers};
use futures_util::future::join_all;

/// Delivers what the queue says is due.
#[derive(Debug, Clone)]
pub struct Deliverer<W, Q, V, C> {
    /// Endpoints, events and deliveries.
    pub webhooks: W,
    /// The queue.
    pub queue: Q,
    /// What deliveries are signed with.
    pub vault: V,
    /// Who carries them.
    pub courier: C,
}

/// A message as it came out of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// By which the queue knows that it was received.
    pub handle: String,
    /// A [`Message`] as JSON.
    pub body: String,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It has done its work, or there is none.
    Done,
    /// It has to come again, after so many seconds.
    Later(u64),
    /// All attempts failed.
    SetAside,
}

impl<W: WebhookEndpoints + Deliveries, Q: DeliveryQueue, V: Vault, C: Courier> Deliverer<W, Q, V, C> {
    /// Delivers a batch, all of it at the same time: an endpoint that takes its time keeps no other waiting. Says of each message, in
    /// order, whether the queue may forget it.
    pub async fn deliver(&self, batch: &[Received], clock: &impl Clock) -> Vec<bool> {
        let messages: Vec<Option<Message>> = batch.iter().map(|received| Message::read(&received.body)).collect();
        let orgs: BTreeSet<OrgId> = messages.iter().flatten().map(|message| message.org).collect();
        let read = orgs.into_iter().map(async |org| (org, self.webhooks.endpoints(&org).await));
        let endpoints: BTreeMap<OrgId, Result<Endpoints, PortError>> = join_all(read).await.into_iter().collect();
        let each = batch.iter().zip(&messages).map(async |(received, message)| {
            let verdict = if let Some(message) = message {
                self.attempt(message, endpoints.get(&message.org), clock).await
            } else {
                tracing::error!("a message of the queue of deliveries cannot be read; it is set aside");
                Ok(Verdict::SetAside)
            };
            match self.settle(received, verdict).await {
                Ok(is_done) => is_done,
                Err(error) => {
                    let delivery = message.map(|message| message.delivery.to_string());
                    tracing::error!(delivery, %error, "a delivery was not carried out or not recorded; it comes again");
                    false
                }
            }
        });
        join_all(each).await
    }

    /// Lets the queue know; true if it may forget the message.
    async fn settle(&self, received: &Received, verdict: Result<Verdict, PortError>) -> Result<bool, PortError> {
        match verdict? {
            Verdict::Done => Ok(true),
            Verdict::Later(seconds) => self.queue.postpone(&received.handle, seconds).await.map(|()| false),
            Verdict::SetAside => self.queue.set_aside(&received.body).await.map(|()| true),
        }
    }

    async fn attempt(
        &self,
        message: &Message,
        endpoints: Option<&Result<Endpoints, PortError>>,
        clock: &impl Clock,
    ) -> Result<Verdict, PortError> {
        let Message { org, endpoint, delivery, round } = message;
        let endpoints = match endpoints {
            Some(Ok(endpoints)) => endpoints,
            Some(Err(error)) => return Err(error.clone()),
            None => return Ok(Verdict::Done),
        };
        // Whoever deletes an endpoint wants nothing more of what is on its way.
        let Ok(endpoint) = endpoints.get(endpoint) else { return Ok(Verdict::Done) };
        let Some(delivery) = self.webhooks.delivery(org, &endpoint.id, delivery, clock.now()).await? else { return Ok(Verdict::Done) };
        if let Some(verdict) = without_attempt(&delivery, *round, clock) {
            return Ok(verdict);
        }
        let Some(event) = self.webhooks.event(org, &delivery.event, clock.now()).await? else { return Ok(Verdict::Done) };
        let secret = self.vault.open(&Endpoint::secret_place(org, &endpoint.id), &endpoint.secret).await?;
        let headers = headers(&delivery, sign(&secret, event.body.as_bytes()), clock.now());
        let how = self.courier.post(org, &endpoint.url, &headers, &event.body).await;
        match self.webhooks.update_delivery(delivery.attempted(how, clock.now())).await {
            Ok(after) => {
                tracing::info!(delivery = %after.id, endpoint = %after.endpoint, status = %after.status, attempts = after.attempts, code = after.last_status_code, "attempted");
                Ok(without_attempt(&after, *round, clock).unwrap_or(Verdict::Later(0)))
            }
            // Another message for the same delivery came at the same time, or somebody asks for it again: look at it as it is now.
            Err(CommitError::Changed) => {
                let now = self.webhooks.delivery(org, &endpoint.id, &delivery.id, clock.now()).await?;
                Ok(now.map_or(Verdict::Done, |now| without_attempt(&now, *round, clock).unwrap_or(Verdict::Later(0))))
            }
            Err(CommitError::Port(error)) => Err(error),
        }
    }
}

/// What becomes of a message whose delivery stands like this; none if it is time for an attempt.
fn without_attempt(delivery: &Delivery, round: u32, clock: &impl Clock) -> Option<Verdict> {
    match delivery.status {
        // Somebody has asked for it anew, and that has a message of its own.
        _ if delivery.round != round => Some(Verdict::Done),
        DeliveryStatus::Succeeded => Some(Verdict::Done),
        DeliveryStatus::Dead => Some(Verdict::SetAside),
        DeliveryStatus::Pending | DeliveryStatus::Failed => {
            let wait = delivery.next_attempt_at.map_or(0, |due| clock.now().seconds_until(due));
            (wait > 0).then_some(Verdict::Later(wait))
        }
    }
}
