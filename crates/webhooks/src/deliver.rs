//! From the queue to endpoints.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::OrgId;
use domain::ports::{Clock, CommitError, Deliveries, DeliveryQueue, MailSender, PortError, Vault, WebhookEndpoints, WebhookSender};
use domain::secret::Sealed;
use domain::signature::sign;
use domain::webhook::{
    AttemptResult, Delivery, DeliveryMessage, DeliveryStatus, Endpoint, Endpoints, Event, Mail, Target, headers, slack_message,
};
use futures_util::future::join_all;
use secrecy::{ExposeSecret, SecretString};

/// Makes the deliveries that messages of the queue name.
#[derive(Debug, Clone)]
pub struct Deliverer<W, Q, V, C, M> {
    /// Endpoints, events and deliveries.
    pub webhooks: W,
    /// The queue.
    pub queue: Q,
    /// Opens the secrets that deliveries are signed with, and the URLs that are secrets.
    pub vault: V,
    /// Sends the requests.
    pub sender: C,
    /// Sends the mails.
    pub mail: M,
}

/// What is to be done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disposition {
    /// It is deleted: it has done its work, or there is none. A delivery whose attempt failed is due again, with or without a message.
    Delete,
    /// It is moved to the dead-letter queue: it cannot be read, or all attempts have failed.
    DeadLetter,
}

impl<W: WebhookEndpoints + Deliveries, Q: DeliveryQueue, V: Vault, C: WebhookSender, M: MailSender> Deliverer<W, Q, V, C, M> {
    /// Processes a batch of messages, each the JSON of a [`DeliveryMessage`], all at the same time: a slow endpoint delays no other one.
    /// Returns, for each message in order, whether the queue may delete it. A message that it keeps comes again.
    pub async fn deliver(&self, batch: &[String], clock: &impl Clock) -> Vec<bool> {
        let messages: Vec<Option<DeliveryMessage>> = batch.iter().map(|body| DeliveryMessage::read(body)).collect();
        let orgs: BTreeSet<OrgId> = messages.iter().flatten().map(|message| message.org).collect();
        let read = orgs.into_iter().map(async |org| (org, self.webhooks.endpoints(&org).await));
        let endpoints: BTreeMap<OrgId, Result<Endpoints, PortError>> = join_all(read).await.into_iter().collect();
        let each = batch.iter().zip(&messages).map(async |(body, message)| {
            let processed = self.process(body, message.as_ref(), &endpoints, clock).await;
            if let Err(error) = &processed {
                let delivery = message.map(|message| message.delivery.to_string());
                tracing::error!(delivery, %error, "a delivery was not made or not recorded; its message comes again");
            }
            processed.is_ok()
        });
        join_all(each).await
    }

    /// Does what a message asks for. Fails if the message has to come again.
    async fn process(
        &self,
        body: &str,
        message: Option<&DeliveryMessage>,
        endpoints: &BTreeMap<OrgId, Result<Endpoints, PortError>>,
        clock: &impl Clock,
    ) -> Result<(), PortError> {
        let done = match message {
            Some(message) => self.attempt(message, endpoints.get(&message.org), clock).await,
            None => Err(PortError::Corrupt("the message is not one of this queue".to_owned())),
        };
        let disposition = match done {
            Err(error) if error.is_permanent() => {
                let delivery = message.map(|message| message.delivery.to_string());
                tracing::error!(delivery, %error, "a message can never be processed; it is in the dead-letter queue");
                Disposition::DeadLetter
            }
            other => other?,
        };
        match disposition {
            Disposition::Delete => Ok(()),
            Disposition::DeadLetter => self.queue.dead_letter(body).await,
        }
    }

    async fn attempt(
        &self,
        message: &DeliveryMessage,
        endpoints: Option<&Result<Endpoints, PortError>>,
        clock: &impl Clock,
    ) -> Result<Disposition, PortError> {
        let DeliveryMessage { org, endpoint, delivery, round } = message;
        let endpoints = match endpoints {
            Some(Ok(endpoints)) => endpoints,
            Some(Err(error)) => return Err(error.clone()),
            None => return Ok(Disposition::Delete),
        };
        let Ok(endpoint) = endpoints.get(endpoint) else { return self.abandon(message, clock).await };
        let found = self.webhooks.delivery(org, &endpoint.id, delivery, clock.now()).await?;
        let Some(delivery) = found else { return Ok(Disposition::Delete) };
        if let Some(disposition) = without_attempt(&delivery, *round, clock) {
            return Ok(disposition);
        }
        let Some(event) = self.webhooks.event(org, &delivery.event, clock.now()).await? else { return Ok(Disposition::Delete) };
        let result = self.send(endpoint, &delivery, &event, clock).await?;
        match self.webhooks.update_delivery(delivery.attempted(result, clock.now())).await {
            Ok(after) => {
                tracing::info!(delivery = %after.id, endpoint = %after.endpoint, status = %after.status, attempts = after.attempts, code = after.last_status_code, "attempted");
                Ok(if after.status == DeliveryStatus::Dead { Disposition::DeadLetter } else { Disposition::Delete })
            }
            // Another message for the same delivery came at the same time and has recorded its attempt, or a redelivery was requested.
            Err(CommitError::Changed) => {
                let now = self.webhooks.delivery(org, &endpoint.id, &delivery.id, clock.now()).await?;
                let is_dead = now.is_some_and(|now| now.round == *round && now.status == DeliveryStatus::Dead);
                Ok(if is_dead { Disposition::DeadLetter } else { Disposition::Delete })
            }
            Err(CommitError::Port(error)) => Err(error),
        }
    }
}

impl<W, Q, V: Vault, C: WebhookSender, M: MailSender> Deliverer<W, Q, V, C, M> {
    /// Sends an event to an endpoint, in the form that the kind of the endpoint has. Fails if no attempt could be made now.
    async fn send(&self, endpoint: &Endpoint, delivery: &Delivery, event: &Event, clock: &impl Clock) -> Result<AttemptResult, PortError> {
        let org = &delivery.org;
        match &endpoint.target {
            Target::Webhook { url, secret } => {
                let Some(secret) = self.open(org, endpoint, secret).await? else {
                    return Ok(AttemptResult::Failed("the webhook's secret cannot be read; rotate it".to_owned()));
                };
                let headers = headers(delivery, sign(&secret, event.body.as_bytes()), clock.now());
                Ok(self.sender.post(org, url, &headers, &event.body).await)
            }
            Target::Slack { origin, url } => {
                let Some(url) = self.open(org, endpoint, url).await? else {
                    return Ok(AttemptResult::Failed(
                        "the webhook's URL cannot be read; delete the webhook and register it again".to_owned(),
                    ));
                };
                let headers = [("content-type", "application/json".to_owned())];
                let result = self.sender.post(org, url.expose_secret(), &headers, &slack_message(event)).await;
                Ok(without_url(result, url.expose_secret(), origin))
            }
            Target::Email { to } => Ok(self.mail.send(&Mail::about(event, to)).await),
        }
    }

    /// Opens what was sealed for an endpoint. Returns none if it can never be opened: the attempt counts then, so that the delivery ends like
    /// any other, and it can be redelivered afterwards. Fails if it cannot be opened now.
    async fn open(&self, org: &OrgId, endpoint: &Endpoint, sealed: &Sealed) -> Result<Option<SecretString>, PortError> {
        match self.vault.open(&Endpoint::secret_place(org, &endpoint.id), sealed).await {
            Ok(secret) => Ok(Some(secret)),
            Err(error) if error.is_permanent() => {
                tracing::error!(endpoint = %endpoint.id, %error, "the secret of a webhook cannot be opened");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl<W: Deliveries, Q, V, C, M> Deliverer<W, Q, V, C, M> {
    /// Ends a delivery whose endpoint was deleted.
    async fn abandon(&self, message: &DeliveryMessage, clock: &impl Clock) -> Result<Disposition, PortError> {
        let DeliveryMessage { org, endpoint, delivery, .. } = message;
        let found = self.webhooks.delivery(org, endpoint, delivery, clock.now()).await?;
        if let Some(due) = found.filter(|delivery| delivery.owed_at().is_some()) {
            match self.webhooks.update_delivery(due.abandoned()).await {
                // Another writer does the same, or finds that the endpoint is gone.
                Ok(_) | Err(CommitError::Changed) => {}
                Err(CommitError::Port(error)) => return Err(error),
            }
        }
        Ok(Disposition::Delete)
    }
}

/// Returns the result of an attempt without the URL, which is a secret; its origin may be shown.
fn without_url(result: AttemptResult, url: &str, origin: &str) -> AttemptResult {
    let path = url.strip_prefix(origin).filter(|path| path.len() > 1);
    let hide = |text: &str| {
        let text = text.replace(url, origin);
        path.map_or_else(|| text.clone(), |path| text.replace(path, "/…"))
    };
    match result {
        AttemptResult::Failed(why) => AttemptResult::Failed(hide(&why)),
        AttemptResult::Answered { status, body, retry_after_seconds } => {
            let body = hide(&String::from_utf8_lossy(&body)).into_bytes();
            AttemptResult::Answered { status, body, retry_after_seconds }
        }
    }
}

/// Returns what is to be done with a message if its delivery needs no attempt now, and `None` if it does.
fn without_attempt(delivery: &Delivery, round: u32, clock: &impl Clock) -> Option<Disposition> {
    match delivery.status {
        // A redelivery was requested, and that has a message of its own.
        _ if delivery.round != round => Some(Disposition::Delete),
        DeliveryStatus::Succeeded => Some(Disposition::Delete),
        DeliveryStatus::Dead => Some(Disposition::DeadLetter),
        DeliveryStatus::Failed if delivery.next_attempt_at.is_some_and(|due| due > clock.now()) => Some(Disposition::Delete),
        DeliveryStatus::Pending | DeliveryStatus::Failed => None,
    }
}
