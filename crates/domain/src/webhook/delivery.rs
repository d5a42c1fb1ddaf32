//! The delivery of one event to one endpoint, over all its attempts.

use serde::{Deserialize, Serialize};

use super::body::Event;
use crate::id::{DeliveryId, EndpointId, EventId, OrgId};
use crate::json::sha256_hex_of;
use crate::time::Time;

/// The waits after the first failed attempt, the second, and so on, in seconds: eight repetitions within 24 hours, each after a longer
/// wait than the one before. Each is shortened by up to a tenth, by [`Delivery::attempted`].
pub const RETRY_AFTER_SECONDS: [u64; 8] = [60, 5 * 60, 14 * 60, 40 * 60, 2 * 3600, 4 * 3600, 7 * 3600, 10 * 3600];
/// How long events and their deliveries are kept, in seconds: 30 days.
pub const KEPT_SECONDS: u64 = 30 * 24 * 3600;
/// The most bytes of an endpoint's response that are stored.
pub const MAX_ANSWER_BYTES: usize = 500;

word_enum!(
    /// The status of a delivery.
    DeliveryStatus {
        /// Nothing was sent since the delivery was requested.
        Pending = "pending",
        /// The endpoint has accepted the event.
        Succeeded = "succeeded",
        /// The last attempt failed, and another one follows.
        Failed = "failed",
        /// All attempts failed, or the endpoint answered 410.
        Dead = "dead",
    }
);

/// The delivery of an event to an endpoint. What is sent is the body of the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The id. It is the same in every attempt, and however often the event is read.
    pub id: DeliveryId,
    /// The organisation of the endpoint.
    pub org: OrgId,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The event.
    pub event: EventId,
    /// The name of the event.
    pub event_name: String,
    /// The status.
    pub status: DeliveryStatus,
    /// The number of attempts, over all rounds.
    pub attempts: u32,
    /// The number of times that the delivery was requested. A message of an earlier round is ignored.
    pub round: u32,
    /// The number of attempts in this round.
    pub tries: u32,
    /// The earliest time of the next attempt; none if no attempt follows.
    pub next_attempt_at: Option<Time>,
    /// When the last attempt ended.
    pub last_attempt_at: Option<Time>,
    /// The HTTP status of the last response, if there was one.
    pub last_status_code: Option<u16>,
    /// The beginning of the last response.
    pub answer: Option<String>,
    /// Why there was no response.
    pub error: Option<String>,
    /// When the event happened.
    pub created_at: Time,
    /// The revision. It counts the writes, and the next write is conditional on it.
    pub rev: u64,
}

/// The result of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptResult {
    /// There was a response.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The first bytes of the body.
        body: Vec<u8>,
        /// The wait that the response asks for (`Retry-After`), in seconds.
        retry_after_seconds: Option<u64>,
    },
    /// There was no response, for this reason.
    Failed(String),
}

impl Delivery {
    /// Returns a delivery before its first attempt.
    pub fn new(event: &Event, endpoint: EndpointId) -> Self {
        Self {
            id: DeliveryId::derived(&event.id, &endpoint.to_string(), event.occurred_at),
            org: event.org,
            endpoint,
            event: event.id,
            event_name: event.name.clone(),
            status: DeliveryStatus::Pending,
            attempts: 0,
            round: 1,
            tries: 0,
            next_attempt_at: Some(event.occurred_at),
            last_attempt_at: None,
            last_status_code: None,
            answer: None,
            error: None,
            created_at: event.occurred_at,
            rev: 0,
        }
    }

    /// Returns when the next attempt is due, if the queue may have no message for it: the delivery failed, or was requested again. For a
    /// new delivery it returns none: the stream is read again if its message could not be queued.
    pub fn owed_at(&self) -> Option<Time> {
        let unqueued = self.status == DeliveryStatus::Failed || (self.status == DeliveryStatus::Pending && self.round > 1);
        self.next_attempt_at.filter(|_| unqueued)
    }

    /// Returns when the delivery is deleted and can no longer be requested again.
    pub fn expires_at(&self) -> Time {
        self.created_at.plus_seconds(KEPT_SECONDS)
    }

    /// Returns the message that the queue carries for the delivery.
    pub fn message(&self) -> DeliveryMessage {
        DeliveryMessage { org: self.org, endpoint: self.endpoint, delivery: self.id, round: self.round }
    }

    /// Returns the delivery after an attempt that ended at `now`.
    ///
    /// The next attempt is not earlier than the endpoint asked for. Otherwise it follows the plan, up to a tenth earlier: deliveries that
    /// failed together, because an endpoint was down, do not all come back in the same minute. 410 means that the endpoint is gone for good
    /// (RFC 9110, section 15.5.11), so no attempt follows.
    #[must_use]
    pub fn attempted(&self, how: AttemptResult, now: Time) -> Self {
        let (status_code, answer, error, asked_seconds) = match how {
            AttemptResult::Answered { status, body, retry_after_seconds } => {
                (Some(status), Some(beginning(&body)).filter(|text| !text.is_empty()), None, retry_after_seconds)
            }
            AttemptResult::Failed(why) => (None, None, Some(why), None),
        };
        let next_attempt_at = self.next_attempt(now, asked_seconds.unwrap_or(0));
        let (status, next_attempt_at) = match (status_code, next_attempt_at) {
            (Some(200..=299), _) => (DeliveryStatus::Succeeded, None),
            (Some(410), _) | (_, None) => (DeliveryStatus::Dead, None),
            (_, Some(next)) => (DeliveryStatus::Failed, Some(next)),
        };
        Self {
            status,
            attempts: self.attempts.saturating_add(1),
            tries: self.tries.saturating_add(1),
            next_attempt_at,
            last_attempt_at: Some(now),
            last_status_code: status_code,
            answer,
            error,
            ..self.clone()
        }
    }

    /// Returns when the next attempt is due after one that failed at `now`, at least `asked_seconds` later. `None` if this was the last
    /// one, or if the delivery is not stored any more by then.
    fn next_attempt(&self, now: Time, asked_seconds: u64) -> Option<Time> {
        let planned = *RETRY_AFTER_SECONDS.get(usize::try_from(self.tries).ok()?)?;
        // The same for a repetition of the same attempt, and different for each delivery.
        let hash = sha256_hex_of(format!("{}#{}", self.id, self.attempts).as_bytes());
        let random = hash.get(..4).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0);
        let jittered = planned - planned * random / (10 * 0xffff);
        let next = now.plus_seconds(jittered.max(asked_seconds));
        (next < self.expires_at()).then_some(next)
    }

    /// Returns the delivery after its endpoint was deleted: no attempt follows.
    #[must_use]
    pub fn abandoned(&self) -> Self {
        let error = Some("the webhook was deleted".to_owned());
        Self { status: DeliveryStatus::Dead, next_attempt_at: None, error, ..self.clone() }
    }

    /// Returns the delivery after it was requested again, whatever its status: the same event under the same id, with all attempts
    /// left.
    #[must_use]
    pub fn again(&self, now: Time) -> Self {
        let round = self.round.saturating_add(1);
        Self { status: DeliveryStatus::Pending, round, tries: 0, next_attempt_at: Some(now), ..self.clone() }
    }
}

/// Returns the beginning of a response as text that can be shown.
fn beginning(body: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(body.get(..MAX_ANSWER_BYTES).unwrap_or(body)).into_owned();
    text.truncate(text.floor_char_boundary(MAX_ANSWER_BYTES));
    text
}

/// A message in the queue: the delivery to attempt. What is sent is in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeliveryMessage {
    /// The organisation of the endpoint.
    pub org: OrgId,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The delivery.
    pub delivery: DeliveryId,
    /// The round that this message belongs to.
    pub round: u32,
}

impl DeliveryMessage {
    /// Returns the text that the queue carries.
    pub fn text(&self) -> String {
        // Ids and a number always serialize.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a text that the queue carried; none if it is not a message.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// Returns the headers of an attempt. The signature is of the raw body alone, as for inbound webhooks.
pub fn headers(delivery: &Delivery, signature: String, now: Time) -> Vec<(&'static str, String)> {
    vec![
        ("content-type", "application/json".to_owned()),
        ("x-quantum-event", delivery.event_name.clone()),
        ("x-quantum-delivery", delivery.id.to_string()),
        ("x-quantum-signature", signature),
        ("x-quantum-timestamp", now.to_string()),
        ("x-quantum-attempt", delivery.attempts.saturating_add(1).to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    fn delivery() -> Delivery {
        let event = super::super::test_event(EventId::new(at(0), 1), OrgId::new(at(0), 1), at(0));
        Delivery::new(&event, EndpointId::new(at(0), 1))
    }

    fn answered(status: u16) -> AttemptResult {
        AttemptResult::Answered { status, body: b"no".to_vec(), retry_after_seconds: None }
    }

    /// Whether a wait is the planned one, or shorter by a tenth at most.
    fn is_about(planned: u64, from: Time, to: Time) -> bool {
        let seconds = from.seconds_until(to);
        planned * 9 / 10 <= seconds && seconds <= planned
    }

    #[test]
    fn eight_repetitions_take_at_most_24_hours_and_the_ninth_attempt_is_the_last() {
        assert_eq!(RETRY_AFTER_SECONDS.iter().sum::<u64>(), 24 * 3600);
        assert!(RETRY_AFTER_SECONDS.windows(2).all(|pair| pair[0] < pair[1]));
        let (mut now, mut delivery) = (at(0), delivery());
        for attempt in 1..=8 {
            delivery = delivery.attempted(answered(500), now);
            assert_eq!((delivery.status, delivery.attempts), (DeliveryStatus::Failed, attempt));
            let next = delivery.next_attempt_at.unwrap();
            assert!(is_about(RETRY_AFTER_SECONDS[attempt as usize - 1], now, next), "{attempt}: {now} {next}");
            now = next;
        }
        assert!(is_about(24 * 3600, at(0), now), "{now}");
        delivery = delivery.attempted(AttemptResult::Failed("no answer".to_owned()), now);
        assert_eq!((delivery.status, delivery.attempts, delivery.next_attempt_at), (DeliveryStatus::Dead, 9, None));
        assert_eq!((delivery.last_status_code, delivery.answer, delivery.error.as_deref()), (None, None, Some("no answer")));
    }

    #[test]
    fn only_a_response_of_2xx_accepts_the_event() {
        for (status, expected) in
            [(199, "failed"), (200, "succeeded"), (204, "succeeded"), (299, "succeeded"), (301, "failed"), (410, "dead"), (429, "failed")]
        {
            assert_eq!(delivery().attempted(answered(status), at(1)).status.as_str(), expected, "{status}");
        }
    }

    #[test]
    fn a_delivery_that_is_requested_again_has_all_attempts_left_and_keeps_its_id_and_its_count() {
        let mut dead = delivery();
        for _ in 0..9 {
            dead = dead.attempted(answered(500), at(1));
        }
        let again = dead.again(at(50));
        assert_eq!((again.id, again.event, again.attempts), (dead.id, dead.event, 9));
        assert_eq!((again.status, again.round, again.next_attempt_at), (DeliveryStatus::Pending, 2, Some(at(50))));
        let failed = again.attempted(answered(500), at(51));
        assert_eq!(failed.status, DeliveryStatus::Failed);
        assert!(is_about(60, at(51), failed.next_attempt_at.unwrap()));
        assert_eq!(headers(&failed, String::new(), at(60)).last().unwrap().1, "11");
    }

    #[test]
    fn the_next_attempt_is_never_earlier_than_the_endpoint_asked_for() {
        let asked = |status, seconds| {
            let result = AttemptResult::Answered { status, body: Vec::new(), retry_after_seconds: Some(seconds) };
            delivery().attempted(result, at(1))
        };
        assert_eq!(asked(429, 7_200).next_attempt_at, Some(at(7_201)));
        assert_eq!(asked(503, 61).next_attempt_at, Some(at(62)));
        assert!(is_about(60, at(1), asked(503, 5).next_attempt_at.unwrap()), "the plan is later");
        assert_eq!(asked(200, 7_200).next_attempt_at, None);
        // The event is not stored any more by then.
        assert_eq!((asked(503, u64::MAX).status, asked(503, KEPT_SECONDS).status), (DeliveryStatus::Dead, DeliveryStatus::Dead));
    }

    #[test]
    fn a_gone_endpoint_gets_no_other_attempt() {
        let gone = delivery().attempted(answered(410), at(1));
        assert_eq!((gone.status, gone.attempts, gone.next_attempt_at), (DeliveryStatus::Dead, 1, None));
        assert_eq!(gone.last_status_code, Some(410));
    }

    #[test]
    fn deliveries_that_fail_together_do_not_come_back_together() {
        let event = |random| super::super::test_event(EventId::new(at(0), random), OrgId::new(at(0), 1), at(0));
        let delivery = |random| Delivery { tries: 7, ..Delivery::new(&event(random), EndpointId::new(at(0), 1)) };
        let next: std::collections::BTreeSet<Time> =
            (0..100).map(|random| delivery(random).attempted(answered(500), at(1)).next_attempt_at.unwrap()).collect();
        assert!(next.len() > 90, "{}", next.len());
        assert_eq!(
            delivery(1).attempted(answered(500), at(1)),
            delivery(1).attempted(answered(500), at(1)),
            "it follows from the delivery"
        );
    }

    #[test]
    fn a_response_is_stored_up_to_a_bound_and_as_text() {
        let answered = |body: &[u8]| AttemptResult::Answered { status: 500, body: body.to_vec(), retry_after_seconds: None };
        let kept = |body: &[u8]| delivery().attempted(answered(body), at(1)).answer;
        assert_eq!(kept(b""), None);
        assert_eq!(kept("ü".as_bytes()).as_deref(), Some("ü"));
        assert!(kept(&vec![0xff; 10_000]).unwrap().len() <= MAX_ANSWER_BYTES);
    }
}
