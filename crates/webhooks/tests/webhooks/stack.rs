//! A deployment in memory with endpoints, a queue and a sender, whose stream is read.

use std::collections::BTreeMap;

use domain::id::{EndpointId, OrgId};
use domain::ports::{Clock, Deliveries, Entropy, PortError, Vault, WebhookEndpoints, Window};
use domain::webhook::{Delivery, DeliveryMessage, Endpoint, StreamChange, Target};
use secrecy::SecretString;
use serde_json::Value;
use testkit::{Deployment, Faults, Memory, MemoryQueue, MemoryVault, ScriptedMailSender, ScriptedWebhookSender, block_on};
use webhooks::{Deliverer, Publisher};

/// The URL of the console in links.
pub const CONSOLE: &str = "https://runs.test/console";

pub struct Stack {
    pub deployment: Deployment,
    pub queue: MemoryQueue,
    /// The fates of calls of the queue.
    pub queue_faults: Faults,
    pub sender: ScriptedWebhookSender,
    pub mail: ScriptedMailSender,
    pub publisher: Publisher<Memory, Memory, Memory, MemoryQueue>,
    pub deliverer: Deliverer<Memory, MemoryQueue, MemoryVault, ScriptedWebhookSender, ScriptedMailSender>,
}

impl Stack {
    pub fn of(spec: &Value) -> Self {
        Self::seeded(spec, 1)
    }

    pub fn seeded(spec: &Value, seed: u64) -> Self {
        let deployment = Deployment::seeded(spec, seed);
        deployment.store.open_stream();
        let queue_faults = Faults::none();
        let queue = MemoryQueue::new(queue_faults.clone(), deployment.clock.clone());
        let sender = ScriptedWebhookSender::new(deployment.clock.clone());
        let (store, mail) = (deployment.store.clone(), ScriptedMailSender::default());
        let publisher = Publisher {
            runs: store.clone(),
            flows: store.clone(),
            webhooks: store.clone(),
            queue: queue.clone(),
            console: Some(CONSOLE.to_owned()),
        };
        let deliverer = Deliverer { webhooks: store, queue: queue.clone(), vault: MemoryVault, sender: sender.clone(), mail: mail.clone() };
        Self { deployment, queue, queue_faults, sender, mail, publisher, deliverer }
    }

    /// Adds an endpoint of an organisation at a URL. Its secret is that URL.
    pub fn endpoint_of(&self, org: OrgId, url: &str, events: &[&str]) -> EndpointId {
        let id = EndpointId::new(self.deployment.clock.now(), self.deployment.entropy.random());
        block_on(&self.deployment.clock, async {
            let secret = MemoryVault.seal(&Endpoint::secret_place(&org, &id), &SecretString::from(url)).await.unwrap();
            self.add(org, id, Target::Webhook { url: url.to_owned(), secret }, events).await;
        });
        id
    }

    /// Adds an endpoint of the kind `slack` at a URL.
    pub fn slack(&self, url: &str, events: &[&str]) -> EndpointId {
        let (org, id) = (self.deployment.org, EndpointId::new(self.deployment.clock.now(), self.deployment.entropy.random()));
        block_on(&self.deployment.clock, async {
            let sealed = MemoryVault.seal(&Endpoint::secret_place(&org, &id), &SecretString::from(url)).await.unwrap();
            self.add(org, id, Target::slack(url, sealed), events).await;
        });
        id
    }

    /// Adds an endpoint of the kind `email`.
    pub fn email(&self, to: &[&str], events: &[&str]) -> EndpointId {
        let (org, id) = (self.deployment.org, EndpointId::new(self.deployment.clock.now(), self.deployment.entropy.random()));
        let target = Target::Email { to: to.iter().map(ToString::to_string).collect() };
        block_on(&self.deployment.clock, self.add(org, id, target, events));
        id
    }

    async fn add(&self, org: OrgId, id: EndpointId, target: Target, events: &[&str]) {
        let mut endpoints = self.deployment.store.endpoints(&org).await.unwrap();
        let endpoint = Endpoint {
            id,
            target,
            events: events.iter().map(|name| name.parse().unwrap()).collect(),
            description: None,
            secret_since: id.created_at(),
            created_by: "usr_ada".to_owned(),
        };
        endpoints.add(endpoint).unwrap();
        self.deployment.store.put_endpoints(endpoints).await.unwrap();
    }

    pub fn endpoint(&self, url: &str, events: &[&str]) -> EndpointId {
        self.endpoint_of(self.deployment.org, url, events)
    }

    /// Publishes changes in one batch. Returns for each whether it succeeded.
    pub fn publish(&self, changes: &[StreamChange]) -> Vec<bool> {
        let outcomes = block_on(&self.deployment.clock, self.publisher.publish(changes, &self.deployment.clock));
        outcomes.into_iter().map(|outcome| outcome.is_ok()).collect()
    }

    /// Publishes all that the stream has shown, without failures.
    pub fn publish_all(&self) {
        assert!(self.publish(&self.deployment.store.streamed()).into_iter().all(|done| done));
    }

    /// Makes one invocation of the worker that delivers, with a batch of the queue. Returns the number of messages.
    pub fn deliver(&self) -> usize {
        let (handles, batch): (Vec<String>, Vec<String>) = self.queue.receive(10).into_iter().unzip();
        let done = block_on(&self.deployment.clock, self.deliverer.deliver(&batch, &self.deployment.clock));
        for (handle, _) in handles.iter().zip(done).filter(|(_, done)| *done) {
            self.queue.delete(handle);
        }
        batch.len()
    }

    /// Makes a tick of the worker that queues due deliveries.
    pub fn tick(&self) -> Result<usize, PortError> {
        block_on(&self.deployment.clock, webhooks::send_due(&self.deployment.store, &self.queue, &self.deployment.clock))
    }

    /// Delivers until the queue is empty and no attempt is due any more, however long that takes.
    pub fn deliver_all(&self) {
        for _ in 0..20_000 {
            if self.deliver() > 0 {
                continue;
            }
            let far = self.deployment.clock.now().plus_seconds(2 * 24 * 3600);
            let owed = block_on(&self.deployment.clock, self.deployment.store.due(far)).unwrap();
            let Some(next) = owed.iter().map(|(at, _)| *at).chain(self.queue.next()).min() else { return };
            self.deployment.clock.set(next);
            // What could not be queued is due at the next tick as well.
            if self.tick() == Ok(0) && self.queue.next().is_none_or(|next| next > self.deployment.clock.now()) {
                self.deployment.clock.advance(webhooks::TICK_SECONDS);
            }
        }
        panic!("the queue does not get empty");
    }

    /// Returns the delivery that a message names.
    pub fn delivery(&self, message: &DeliveryMessage) -> Option<Delivery> {
        let found = self.deployment.store.delivery(&message.org, &message.endpoint, &message.delivery, self.deployment.clock.now());
        block_on(&self.deployment.clock, found).unwrap()
    }

    /// Returns all deliveries to an endpoint, newest first.
    pub fn deliveries(&self, endpoint: &EndpointId) -> Vec<Delivery> {
        let window = Window { after: None, skip: 0, limit: 1_000, was_beyond_cap: false };
        let found = self.deployment.store.deliveries(&self.deployment.org, endpoint, &window, self.deployment.clock.now());
        block_on(&self.deployment.clock, found).unwrap().rows
    }

    /// Returns the events in the queue by id, with their names and bodies as they are stored.
    pub fn queued(&self) -> BTreeMap<String, (String, Value)> {
        let mut events = BTreeMap::new();
        for message in self.queue.messages() {
            let delivery = self.delivery(&message).unwrap();
            let kept = self.deployment.store.event(&message.org, &delivery.event, self.deployment.clock.now());
            let event = block_on(&self.deployment.clock, kept).unwrap().unwrap();
            events.insert(event.id.to_string(), (event.name, serde_json::from_str(&event.body).unwrap()));
        }
        events
    }

    /// Returns the `data` of the only event of that name in the queue.
    pub fn data(&self, name: &str) -> Value {
        let mut found: Vec<Value> =
            self.queued().into_values().filter(|(event, _)| event == name).map(|(_, body)| body["data"].clone()).collect();
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        found.remove(0)
    }
}
