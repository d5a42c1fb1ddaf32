//! A queue of deliveries in memory, and a sender that answers as a test says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use domain::id::OrgId;
use domain::ports::{Clock, DeadLetters, DeliveryQueue, PortError, WebhookSender};
use domain::time::Time;
use domain::webhook::{AttemptResult, DeliveryMessage};

use crate::{Faults, ManualClock};

/// A message in the queue.
#[derive(Debug, Clone)]
struct Waiting {
    body: String,
    visible_at: Time,
}

/// A standard queue: whatever is received stays, hidden for three minutes, until it is deleted.
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

/// How long a message that was received is hidden, in seconds.
const HIDDEN_SECONDS: u64 = 180;

impl MemoryQueue {
    /// An empty queue. Each message that is sent meets a fate of its own, as the entries of a batch do.
    pub fn new(faults: Faults, clock: ManualClock) -> Self {
        Self { state: Arc::default(), faults, clock }
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap()
    }

    /// Puts anything into the queue.
    pub fn put(&self, body: &str) {
        let mut state = self.state();
        let (number, visible_at) = (state.sent, self.clock.now());
        state.sent += 1;
        state.waiting.insert(number, Waiting { body: body.to_owned(), visible_at });
    }

    /// Receives up to `most` messages that can be seen: their handles and bodies.
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

    /// A message has done its work.
    pub fn delete(&self, handle: &str) {
        self.state().waiting.remove(&handle.parse().unwrap());
    }

    /// When the next message can be seen.
    pub fn next(&self) -> Option<Time> {
        self.state().waiting.values().map(|message| message.visible_at).min()
    }

    /// All messages in the queue, hidden or not.
    pub fn messages(&self) -> Vec<DeliveryMessage> {
        self.state().waiting.values().filter_map(|waiting| DeliveryMessage::read(&waiting.body)).collect()
    }

    /// The dead letters.
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

/// What an endpoint was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentRequest {
    /// Whose delivery it was.
    pub org: OrgId,
    /// Where it went.
    pub url: String,
    /// Its headers.
    pub headers: BTreeMap<&'static str, String>,
    /// Its body.
    pub body: String,
    /// When it was sent.
    pub at: Time,
}

/// Notes what it is given. Each endpoint answers with the next status that a test has said for its URL, and then with 200.
#[derive(Debug, Clone)]
pub struct ScriptedWebhookSender {
    state: Arc<Mutex<WebhookSenderState>>,
    clock: ManualClock,
}

#[derive(Debug, Default)]
struct WebhookSenderState {
    sent_requests: Vec<SentRequest>,
    answers: BTreeMap<String, VecDeque<AttemptResult>>,
    /// URLs that take so many milliseconds.
    slow: BTreeMap<String, u64>,
}

impl ScriptedWebhookSender {
    /// One that has carried nothing yet.
    pub fn new(clock: ManualClock) -> Self {
        Self { state: Arc::default(), clock }
    }

    fn state(&self) -> MutexGuard<'_, WebhookSenderState> {
        self.state.lock().unwrap()
    }

    /// The next answers of an endpoint, with these statuses.
    pub fn answer(&self, url: &str, statuses: &[u16]) {
        let answers = statuses.iter().map(|status| AttemptResult::Answered { status: *status, body: b"answer".to_vec() });
        self.state().answers.entry(url.to_owned()).or_default().extend(answers);
    }

    /// From now on an endpoint takes so many milliseconds to answer.
    pub fn slow_down(&self, url: &str, millis: u64) {
        self.state().slow.insert(url.to_owned(), millis);
    }

    /// Everything it has carried, in order.
    pub fn sent_requests(&self) -> Vec<SentRequest> {
        self.state().sent_requests.clone()
    }
}

impl WebhookSender for ScriptedWebhookSender {
    async fn post(&self, org: &OrgId, url: &str, headers: &[(&'static str, String)], body: &str) -> AttemptResult {
        let millis = self.state().slow.get(url).copied().unwrap_or(0);
        self.clock.sleep(millis).await;
        let mut state = self.state();
        let parcel = SentRequest {
            org: *org,
            url: url.to_owned(),
            headers: headers.iter().cloned().collect(),
            body: body.to_owned(),
            at: self.clock.now(),
        };
        state.sent_requests.push(parcel);
        let next = state.answers.get_mut(url).and_then(VecDeque::pop_front);
        next.unwrap_or(AttemptResult::Answered { status: 200, body: Vec::new() })
    }
}
