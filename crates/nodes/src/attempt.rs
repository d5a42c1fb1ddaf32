//! One attempt of a step, which may be several calls.

use std::borrow::Cow;
use std::time::Duration;

use domain::json::sha256_hex;
use domain::ports::CallContext;
use serde_json::Value;
use tokio::time::Instant;

/// What a call carries, and the time by which it must be done: one clock over all calls of the attempt.
#[derive(Debug, Clone)]
pub(crate) struct Attempt<'a> {
    pub(crate) context: &'a CallContext,
    key: Cow<'a, str>,
    until: Instant,
}

impl<'a> Attempt<'a> {
    /// Starts the clock. The first call goes out under the step's own key.
    pub(crate) fn begin(context: &'a CallContext) -> Self {
        let until = Instant::now() + Duration::from_secs(u64::from(context.timeout_seconds));
        Self { context, key: Cow::Borrowed(&context.idempotency_key), until }
    }

    /// The same attempt for a call that is not the first: another request needs another key.
    pub(crate) fn under(&self, suffix: &str) -> Self {
        Self { key: Cow::Owned(format!("{}-{suffix}", self.context.idempotency_key)), ..*self }
    }

    /// The `Idempotency-Key` of the call.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// When the time is up.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// Whether the time is up.
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }
}

/// 128 bits of a value's hash, for a key.
pub(crate) fn short_hash(value: &Value) -> String {
    let mut hash = sha256_hex(value);
    hash.truncate(32);
    hash
}

/// Milliseconds that have passed.
pub(crate) fn millis_since(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::id::OrgId;
    use domain::time::Time;

    #[test]
    fn a_later_call_has_a_key_of_its_own_and_no_more_time() {
        let org = OrgId::new(Time::from_millis(1), 1);
        let context = CallContext { org, trace_id: "t".to_owned(), idempotency_key: "stp_1".to_owned(), timeout_seconds: 60 };
        let first = Attempt::begin(&context);
        let later = first.under("2").under("3");
        assert_eq!((first.key(), later.key()), ("stp_1", "stp_1-3"));
        assert_eq!(first.until(), later.until());
        assert!(!later.is_over());
        assert!(Attempt::begin(&CallContext { timeout_seconds: 0, ..context }).under("2").is_over());
    }
}
