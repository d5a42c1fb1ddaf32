//! The names of events, and subscriptions to them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The names of the events that this service emits itself.
pub mod names {
    /// A run began.
    pub const RUN_STARTED: &str = "flow.run.started";
    /// A run succeeded.
    pub const RUN_SUCCEEDED: &str = "flow.run.succeeded";
    /// A run failed.
    pub const RUN_FAILED: &str = "flow.run.failed";
    /// A run was cancelled.
    pub const RUN_CANCELLED: &str = "flow.run.cancelled";
    /// An approval was opened.
    pub const AWAITING_APPROVAL: &str = "flow.run.awaiting_approval";
    /// An approval was opened.
    pub const APPROVAL_OPENED: &str = "approval.opened";
    /// An approval was approved or rejected.
    pub const APPROVAL_DECIDED: &str = "approval.decided";
    /// Nobody decided an approval in time.
    pub const APPROVAL_EXPIRED: &str = "approval.expired";
    /// An approval was assigned to somebody else, by an actor or by the clock.
    pub const APPROVAL_REASSIGNED: &str = "approval.reassigned";
    /// The deadline of an approval comes near.
    pub const APPROVAL_REMINDED: &str = "approval.reminded";
    /// An `llm_step` began its first attempt.
    pub const GENERATION_STARTED: &str = "generation.started";
    /// An `llm_step` succeeded.
    pub const GENERATION_COMPLETED: &str = "generation.completed";
    /// An `llm_step` failed for good.
    pub const GENERATION_FAILED: &str = "generation.failed";
    /// A caller tests an endpoint. The event is sent to that endpoint only, whatever it subscribes to.
    pub const TEST: &str = "webhook.test";
    /// All names.
    pub const ALL: [&str; 14] = [
        RUN_STARTED,
        RUN_SUCCEEDED,
        RUN_FAILED,
        RUN_CANCELLED,
        AWAITING_APPROVAL,
        APPROVAL_OPENED,
        APPROVAL_DECIDED,
        APPROVAL_EXPIRED,
        APPROVAL_REASSIGNED,
        APPROVAL_REMINDED,
        GENERATION_STARTED,
        GENERATION_COMPLETED,
        GENERATION_FAILED,
        TEST,
    ];
}

/// The most bytes of an event's name.
const MAX_NAME_BYTES: usize = 64;
/// The prefixes of names that only this service may use.
const RESERVED: [&str; 3] = ["flow.run.", "generation.", "webhook."];

/// Returns whether a text can be the name of an event.
pub fn is_event_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_NAME_BYTES && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Returns whether only this service may emit an event of that name: a `webhook_emit` may not. The names of the events of approvals are not
/// among these, because flows that were saved before there were such events may emit them; see `flow::check`.
pub fn is_reserved(text: &str) -> bool {
    RESERVED.iter().any(|prefix| text.starts_with(prefix))
}

/// Returns whether a text begins as the names of the events of approvals do.
pub(crate) fn is_of_approvals(text: &str) -> bool {
    text.starts_with("approval.")
}

/// What an endpoint subscribes to: one event by its name, all events with a prefix (`flow.run.*`), or all events (`*`). The events of
/// `webhook_emit` nodes have the names that flows give them, and are subscribed to by these.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Subscription(String);

impl Subscription {
    /// Returns whether the subscription covers an event of that name.
    pub fn wants(&self, event: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => event.starts_with(prefix),
            None => event == self.0,
        }
    }
}

/// The error for a text that is not a subscription.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadSubscription {
    /// The text cannot be the name of an event.
    #[error("must be `*`, the name of an event, or the beginning of names and `.*`, such as `flow.run.*`")]
    NoName,
    /// No event of that name exists.
    #[error("is no event; there are {}, and those that flows emit under other names", names::ALL.join(", "))]
    Unknown,
}

impl FromStr for Subscription {
    type Err = BadSubscription;

    fn from_str(text: &str) -> Result<Self, BadSubscription> {
        let (name, is_family) = match text.strip_suffix(".*") {
            Some(name) => (name, true),
            None => (text, false),
        };
        if text != "*" && !is_event_name(name) {
            return Err(BadSubscription::NoName);
        }
        let this = Self(text.to_owned());
        // An endpoint with a misspelt name would never receive anything.
        let reserved = is_reserved(name) || (is_family && is_reserved(&format!("{name}.")));
        if reserved && !names::ALL.iter().any(|known| this.wants(known)) { Err(BadSubscription::Unknown) } else { Ok(this) }
    }
}

impl TryFrom<String> for Subscription {
    type Error = BadSubscription;

    fn try_from(text: String) -> Result<Self, BadSubscription> {
        text.parse()
    }
}

impl From<Subscription> for String {
    fn from(subscription: Subscription) -> Self {
        subscription.0
    }
}

impl fmt::Display for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_wants_a_name_a_family_or_all() {
        for (subscription, wanted, unwanted) in [
            ("flow.run.failed", "flow.run.failed", "flow.run.failed2"),
            ("flow.run.*", "flow.run.awaiting_approval", "flow.runs"),
            ("generation.*", "generation.started", "generation"),
            ("order.*", "order.paid", "orders.paid"),
            ("order.paid", "order.paid", "order.paid.late"),
        ] {
            let subscription: Subscription = subscription.parse().unwrap();
            assert!(subscription.wants(wanted) && !subscription.wants(unwanted), "{subscription}");
        }
        let all: Subscription = "*".parse().unwrap();
        assert!(names::ALL.iter().chain(&["order.paid"]).all(|name| all.wants(name)));
        // This prefix covers a reserved prefix, and only names of this service.
        assert!("flow.*".parse::<Subscription>().unwrap().wants("flow.run.started"));
    }

    #[test]
    fn a_name_that_no_event_can_have_is_refused() {
        for text in ["", "**", "order*", ".*.", "*.paid", "order paid", "ü", "order.*.x"] {
            assert_eq!(text.parse::<Subscription>(), Err(BadSubscription::NoName), "{text}");
        }
        assert_eq!("x".repeat(65).parse::<Subscription>(), Err(BadSubscription::NoName));
        for text in ["flow.run.suceeded", "flow.run.started.*", "generation.finished", "webhook.tested"] {
            assert_eq!(text.parse::<Subscription>(), Err(BadSubscription::Unknown), "{text}");
        }
        assert!(
            names::ALL
                .iter()
                .all(|name| is_event_name(name) && (is_reserved(name) || is_of_approvals(name)) && name.parse::<Subscription>().is_ok())
        );
    }
}
