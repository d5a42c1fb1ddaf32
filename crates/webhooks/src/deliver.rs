//! From the queue to endpoints.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::OrgId;
use domain::ports::{Clock, CommitError, Deliveries, DeliveryQueue, PortError, Vault, WebhookEndpoints, WebhookSender};
use domain::signature::sign;
use domain::webhook::{AttemptResult, Delivery, DeliveryMessage, DeliveryStatus, Endpoint, Endpoints, headers};
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
    pub sender: C,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It has done its work, or there is none. A delivery whose attempt failed owes the next one, whether or not there is a message.
    Done,
    /// All attempts failed.
    SetAside,
}

impl<W: WebhookEndpoints + Deliveries, Q: DeliveryQueue, V: Vault, C: WebhookSender> Deliverer<W, Q, V, C> {
    /// Delivers a batch of messages as they came out of the queue, each JSON of a [`DeliveryMessage`], all of it at the same time: an endpoint that takes its time keeps no other waiting. Says of each message, in
    /// order, whether the queue may forget it.
    pub async fn deliver(&self, batch: &[String], clock: &impl Clock) -> Vec<bool> {
        let messages: Vec<Option<DeliveryMessage>> = batch.iter().map(|body| DeliveryMessage::read(body)).collect();
        let orgs: BTreeSet<OrgId> = messages.iter().flatten().map(|message| message.org).collect();
        let read = orgs.into_iter().map(async |org| (org, self.webhooks.endpoints(&org).await));
        let endpoints: BTreeMap<OrgId, Result<Endpoints, PortError>> = join_all(read).await.into_iter().collect();
        let each = batch.iter().zip(&messages).map(async |(body, message)| {
            let verdict = if let Some(message) = message {
                self.attempt(message, endpoints.get(&message.org), clock).await
            } else {
                tracing::error!("a message of the queue of deliveries cannot be read; it is set aside");
                Ok(Verdict::SetAside)
            };
            match self.settle(body, verdict).await {
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
    async fn settle(&self, body: &str, verdict: Result<Verdict, PortError>) -> Result<bool, PortError> {
        match verdict? {
            Verdict::Done => Ok(true),
            Verdict::SetAside => self.queue.dead_letter(body).await.map(|()| true),
        }
    }

    async fn attempt(
        &self,
        message: &DeliveryMessage,
        endpoints: Option<&Result<Endpoints, PortError>>,
        clock: &impl Clock,
    ) -> Result<Verdict, PortError> {
        let DeliveryMessage { org, endpoint, delivery, round } = message;
        let endpoints = match endpoints {
            Some(Ok(endpoints)) => endpoints,
            Some(Err(error)) => return Err(error.clone()),
            None => return Ok(Verdict::Done),
        };
        let Ok(endpoint) = endpoints.get(endpoint) else { return self.abandon(message, clock).await };
        let Some(delivery) = self.webhooks.delivery(org, &endpoint.id, delivery, clock.now()).await? else { return Ok(Verdict::Done) };
        if let Some(verdict) = without_attempt(&delivery, *round, clock) {
            return Ok(verdict);
        }
        let Some(event) = self.webhooks.event(org, &delivery.event, clock.now()).await? else { return Ok(Verdict::Done) };
        let how = match self.vault.open(&Endpoint::secret_place(org, &endpoint.id), &endpoint.secret).await {
            Ok(secret) => {
                let headers = headers(&delivery, sign(&secret, event.body.as_bytes()), clock.now());
                self.sender.post(org, &endpoint.url, &headers, &event.body).await
            }
            // It will not open later either, so it must not come again and again; with a new secret it may be asked for again.
            Err(PortError::Corrupt(problem)) => {
                tracing::error!(endpoint = %endpoint.id, problem, "a webhook's secret cannot be opened");
                AttemptResult::Failed("the webhook's secret cannot be read; rotate it".to_owned())
            }
            Err(error) => return Err(error),
        };
        match self.webhooks.update_delivery(delivery.attempted(how, clock.now())).await {
            Ok(after) => {
                tracing::info!(delivery = %after.id, endpoint = %after.endpoint, status = %after.status, attempts = after.attempts, code = after.last_status_code, "attempted");
                Ok(if after.status == DeliveryStatus::Dead { Verdict::SetAside } else { Verdict::Done })
            }
            // Another message for the same delivery came at the same time and has recorded its attempt, or somebody asks for it again.
            Err(CommitError::Changed) => {
                let now = self.webhooks.delivery(org, &endpoint.id, &delivery.id, clock.now()).await?;
                let is_dead = now.is_some_and(|now| now.round == *round && now.status == DeliveryStatus::Dead);
                Ok(if is_dead { Verdict::SetAside } else { Verdict::Done })
            }
            Err(CommitError::Port(error)) => Err(error),
        }
    }
}

impl<W: Deliveries, Q, V, C> Deliverer<W, Q, V, C> {
    /// Whoever deletes an endpoint wants nothing more of what is on its way.
    async fn abandon(&self, message: &DeliveryMessage, clock: &impl Clock) -> Result<Verdict, PortError> {
        let DeliveryMessage { org, endpoint, delivery, .. } = message;
        let found = self.webhooks.delivery(org, endpoint, delivery, clock.now()).await?;
        if let Some(owing) = found.filter(|delivery| delivery.owed_at().is_some()) {
            match self.webhooks.update_delivery(owing.abandoned()).await {
                // Whoever else changes it does this, or finds the endpoint gone as well.
                Ok(_) | Err(CommitError::Changed) => {}
                Err(CommitError::Port(error)) => return Err(error),
            }
        }
        Ok(Verdict::Done)
    }
}

/// What becomes of a message whose delivery stands like this; none if it is time for an attempt.
fn without_attempt(delivery: &Delivery, round: u32, clock: &impl Clock) -> Option<Verdict> {
    match delivery.status {
        // Somebody has asked for it anew, and that has a message of its own.
        _ if delivery.round != round => Some(Verdict::Done),
        DeliveryStatus::Succeeded => Some(Verdict::Done),
        DeliveryStatus::Dead => Some(Verdict::SetAside),
        DeliveryStatus::Failed if delivery.next_attempt_at.is_some_and(|due| due > clock.now()) => Some(Verdict::Done),
        DeliveryStatus::Pending | DeliveryStatus::Failed => None,
    }
}
