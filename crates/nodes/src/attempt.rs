//! One attempt of a step, which may be several calls.

use std::borrow::Cow;
use std::time::Duration;

use domain::json::sha256_hex;
use domain::ports::CallContext;
use serde_json::Value;
use tokio::time::Instant;

/// What each call of the attempt carries, and one deadline for all of its calls together.
#[derive(Debug, Clone)]
pub(crate) struct Attempt<'a> {
    pub(crate) context: &'a CallContext,
    key: Cow<'a, str>,
    deadline: Instant,
}

impl<'a> Attempt<'a> {
    /// Starts the clock. The first call is sent under the step's own key.
    pub(crate) fn begin(context: &'a CallContext) -> Self {
        let deadline = Instant::now() + Duration::from_secs(u64::from(context.timeout_seconds));
        Self { context, key: Cow::Borrowed(&context.idempotency_key), deadline }
    }

    /// Returns the same attempt for a call that is not the first: another request needs another key.
    pub(crate) fn with_key_suffix(&self, suffix: &str) -> Self {
        Self { key: Cow::Owned(format!("{}-{suffix}", self.context.idempotency_key)), ..*self }
    }

    /// Returns the same call in another form, under a key made from its own.
    pub(crate) fn with_variant(&self, suffix: &str) -> Self {
        Self { key: Cow::Owned(format!("{}-{suffix}", self.key)), ..*self }
    }

    /// The `Idempotency-Key` of the call.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The moment at which the attempt ends, whether or not it has an answer.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether the deadline has passed.
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }
}

/// The first 128 bits of a value's hash, in hexadecimal, as a part of an `Idempotency-Key`.
pub(crate) fn short_hash(value: &Value) -> String {
    let mut hash = sha256_hex(value);
    hash.truncate(32);
    hash
}

/// The milliseconds that have passed since `begun`.
pub(crate) fn millis_since(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::id::OrgId;
    use domain::time::Time;

    #[test]
    fn a_later_call_has_a_key_of_its_own_and_the_same_deadline() {
        let org = OrgId::new(Time::from_millis(1), 1);
        let context =
            CallContext { covered: Vec::new(), org, trace_id: "t".to_owned(), idempotency_key: "stp_1".to_owned(), timeout_seconds: 60 };
        let first = Attempt::begin(&context);
        let later = first.with_key_suffix("2").with_key_suffix("3");
        assert_eq!((first.key(), later.key()), ("stp_1", "stp_1-3"));
        assert_eq!(later.with_variant("again").key(), "stp_1-3-again");
        assert_eq!(first.deadline(), later.deadline());
        assert!(!later.is_over());
        assert!(Attempt::begin(&CallContext { timeout_seconds: 0, ..context }).with_key_suffix("2").is_over());
    }
}
