//! A queue of deliveries in memory, a dead-letter queue, and a sender of webhooks whose answers a test scripts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use domain::id::OrgId;
use domain::ports::{Clock, DeadLetters, DeliveryQueue, MailSender, PortError, WebhookSender};
use domain::time::Time;
use domain::webhook::{AttemptResult, DeliveryMessage, Mail};

use crate::{Faults, ManualClock};

/// A message in the queue.
#[derive(Debug, Clone)]
struct Waiting {
    body: String,
    visible_at: Time,
}

/// A standard queue: a message that is received is hidden for three minutes, and stays until it is deleted.
#[derive(Debug, Clone)]
pub struct MemoryQueue {
    state: Arc<Mutex<QueueState>>,
    faults: Faults,
    clock: ManualClock,
}

#[derive(Debug, Default)]
struct QueueState {
    waiting: BTreeMap<usize, Waiting>,
    sent: usize,
    dead: Vec<String>,
}

/// The time for which a received message is hidden, in seconds.
const HIDDEN_SECONDS: u64 = 180;

impl MemoryQueue {
    /// Returns an empty queue. Each message that is sent meets a fate of its own, like the entries of a batch.
    pub fn new(faults: Faults, clock: ManualClock) -> Self {
        Self { state: Arc::default(), faults, clock }
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap()
    }

    /// Puts a message with any body into the queue.
    pub fn put(&self, body: &str) {
        let mut state = self.state();
        let (number, visible_at) = (state.sent, self.clock.now());
        state.sent += 1;
        state.waiting.insert(number, Waiting { body: body.to_owned(), visible_at });
    }

    /// Receives up to `most` visible messages. Returns their handles and bodies.
    pub fn receive(&self, most: usize) -> Vec<(String, String)> {
        let now = self.clock.now();
        let mut state = self.state();
        let visible = state.waiting.iter_mut().filter(|(_, message)| message.visible_at <= now).take(most);
        visible
            .map(|(number, message)| {
                message.visible_at = now.plus_seconds(HIDDEN_SECONDS);
                (number.to_string(), message.body.clone())
            })
            .collect()
    }

    /// Deletes a message.
    pub fn delete(&self, handle: &str) {
        self.state().waiting.remove(&handle.parse().unwrap());
    }

    /// Returns when the next message becomes visible.
    pub fn next(&self) -> Option<Time> {
        self.state().waiting.values().map(|message| message.visible_at).min()
    }

    /// Returns all messages in the queue, hidden or not.
    pub fn messages(&self) -> Vec<DeliveryMessage> {
        self.state().waiting.values().filter_map(|waiting| DeliveryMessage::read(&waiting.body)).collect()
    }

    /// Returns the dead letters.
    pub fn dead(&self) -> Vec<String> {
        self.state().dead.clone()
    }
}

impl DeliveryQueue for MemoryQueue {
    async fn send(&self, messages: &[DeliveryMessage]) -> Vec<Result<(), PortError>> {
        let mut outcomes = Vec::new();
        for message in messages {
            let put = || {
                self.put(&message.text());
                Ok(())
            };
            outcomes.push(self.faults.call("send", true, put).await);
        }
        outcomes
    }

    async fn dead_letter(&self, body: &str) -> Result<(), PortError> {
        let put = || {
            self.state().dead.push(body.to_owned());
            Ok(())
        };
        self.faults.call("dead_letter", true, put).await
    }
}

/// A dead-letter queue in memory.
#[derive(Debug, Clone)]
pub struct MemoryDeadLetters {
    letters: Arc<Mutex<Vec<String>>>,
    faults: Faults,
}

impl MemoryDeadLetters {
    /// Returns an empty queue whose calls meet these fates.
    pub fn new(faults: Faults) -> Self {
        Self { letters: Arc::default(), faults }
    }

    /// Returns all letters, in order.
    pub fn all(&self) -> Vec<String> {
        self.letters.lock().unwrap().clone()
    }
}

impl DeadLetters for MemoryDeadLetters {
    async fn put(&self, letter: &str) -> Result<(), PortError> {
        let put = || {
            self.letters.lock().unwrap().push(letter.to_owned());
            Ok(())
        };
        self.faults.call("put_dead_letter", true, put).await
    }
}

/// A request that an endpoint received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentRequest {
    /// The organisation of the delivery.
    pub org: OrgId,
    /// The URL of the endpoint.
    pub url: String,
    /// Its headers.
    pub headers: BTreeMap<&'static str, String>,
    /// Its body.
    pub body: String,
    /// When it was sent.
    pub at: Time,
}

/// Records the requests. Each endpoint answers with the next answer that a test has queued for its URL, and with 200 after those.
#[derive(Debug, Clone)]
pub struct ScriptedWebhookSender {
    state: Arc<Mutex<WebhookSenderState>>,
    clock: ManualClock,
}

#[derive(Debug, Default)]
struct WebhookSenderState {
    sent_requests: Vec<SentRequest>,
    answers: BTreeMap<String, VecDeque<AttemptResult>>,
    /// The time that a URL takes to answer, in milliseconds.
    slow: BTreeMap<String, u64>,
}

impl ScriptedWebhookSender {
    /// Returns a sender that has sent nothing yet.
    pub fn new(clock: ManualClock) -> Self {
        Self { state: Arc::default(), clock }
    }

    fn state(&self) -> MutexGuard<'_, WebhookSenderState> {
        self.state.lock().unwrap()
    }

    /// Queues answers of an endpoint, with these statuses.
    pub fn answer(&self, url: &str, statuses: &[u16]) {
        let answers =
            statuses.iter().map(|status| AttemptResult::Answered { status: *status, body: b"answer".to_vec(), retry_after_seconds: None });
        self.state().answers.entry(url.to_owned()).or_default().extend(answers);
    }

    /// Queues an answer of an endpoint with this status and body.
    pub fn answer_with(&self, url: &str, status: u16, body: &str) {
        let answer = AttemptResult::Answered { status, body: body.as_bytes().to_vec(), retry_after_seconds: None };
        self.state().answers.entry(url.to_owned()).or_default().push_back(answer);
    }

    /// Queues a failure: the endpoint does not answer, for this reason.
    pub fn fail(&self, url: &str, why: &str) {
        self.state().answers.entry(url.to_owned()).or_default().push_back(AttemptResult::Failed(why.to_owned()));
    }

    /// Queues an answer of an endpoint with this status and a `Retry-After`.
    pub fn answer_later(&self, url: &str, status: u16, retry_after_seconds: u64) {
        let answer = AttemptResult::Answered { status, body: Vec::new(), retry_after_seconds: Some(retry_after_seconds) };
        self.state().answers.entry(url.to_owned()).or_default().push_back(answer);
    }

    /// Makes an endpoint take a number of milliseconds to answer from now on.
    pub fn slow_down(&self, url: &str, millis: u64) {
        self.state().slow.insert(url.to_owned(), millis);
    }

    /// Returns everything that was sent, in order.
    pub fn sent_requests(&self) -> Vec<SentRequest> {
        self.state().sent_requests.clone()
    }
}

impl WebhookSender for ScriptedWebhookSender {
    async fn post(&self, org: &OrgId, url: &str, headers: &[(&'static str, String)], body: &str) -> AttemptResult {
        let millis = self.state().slow.get(url).copied().unwrap_or(0);
        self.clock.sleep(millis).await;
        let mut state = self.state();
        let request = SentRequest {
            org: *org,
            url: url.to_owned(),
            headers: headers.iter().cloned().collect(),
            body: body.to_owned(),
            at: self.clock.now(),
        };
        state.sent_requests.push(request);
        let next = state.answers.get_mut(url).and_then(VecDeque::pop_front);
        next.unwrap_or(AttemptResult::Answered { status: 200, body: Vec::new(), retry_after_seconds: None })
    }
}

/// Records the mails. Each is answered with the next status that a test has queued, and with 200 after those.
#[derive(Debug, Clone, Default)]
pub struct ScriptedMailSender {
    state: Arc<Mutex<MailSenderState>>,
}

#[derive(Debug, Default)]
struct MailSenderState {
    sent: Vec<Mail>,
    answers: VecDeque<AttemptResult>,
}

impl ScriptedMailSender {
    /// Queues an answer of the mail service.
    pub fn answer(&self, status: u16, body: &str) {
        let answer = AttemptResult::Answered { status, body: body.as_bytes().to_vec(), retry_after_seconds: None };
        self.state.lock().unwrap().answers.push_back(answer);
    }

    /// Returns every mail that was handed over, in order.
    pub fn sent(&self) -> Vec<Mail> {
        self.state.lock().unwrap().sent.clone()
    }
}

impl MailSender for ScriptedMailSender {
    async fn send(&self, mail: &Mail) -> AttemptResult {
        let mut state = self.state.lock().unwrap();
        state.sent.push(mail.clone());
        state.answers.pop_front().unwrap_or(AttemptResult::Answered { status: 200, body: Vec::new(), retry_after_seconds: None })
    }
}
