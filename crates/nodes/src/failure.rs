//! The errors of calls: what was called, what came back, what to do about it; never a header or a key.

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use domain::ports::EffectError;
use url::Url;

use crate::egress::policy::EgressDenial;

/// The most characters of a response that an error quotes.
pub(crate) const QUOTED: usize = 500;
/// The most characters of a path that an error quotes.
const QUOTED_PATH: usize = 200;
/// The fewest bytes of a secret: a shorter value is not one, and removing it would only damage the text.
const SHORTEST_SECRET: usize = 6;

/// An error that another attempt will not cure.
pub(crate) fn permanent(message: impl Into<String>) -> EffectError {
    EffectError { message: message.into(), retryable: false, retry_after_seconds: None, answer: None }
}

/// An error that another attempt may cure.
pub(crate) fn transient(message: impl Into<String>) -> EffectError {
    EffectError { retryable: true, ..permanent(message) }
}

/// Whether another attempt may cure a response with this status.
pub(crate) fn is_retryable_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

/// Reads `Retry-After` (RFC 9110, section 10.2.3): seconds, or an HTTP date. Returns the seconds from `now`; 0 for a date that has
/// passed; `None` if the value is neither.
pub(crate) fn parse_retry_after(value: &str, now: SystemTime) -> Option<u64> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are still a number.
        return Some(value.parse().unwrap_or(u64::MAX));
    }
    let at = httpdate::parse_http_date(value).ok()?.duration_since(UNIX_EPOCH).ok()?;
    let now = now.duration_since(UNIX_EPOCH).ok()?;
    let wait = at.saturating_sub(now);
    Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
}

/// Returns the first `most` characters of a text, with an ellipsis if it was cut.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Returns the deepest cause, which has the message of the system; the outer ones repeat the URL with its query.
pub(crate) fn deepest<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause
}

/// Returns the guard's denial, if that is why nothing was sent.
pub(crate) fn egress_denial(error: &reqwest::Error) -> Option<&EgressDenial> {
    // A denial has no cause, so it is the deepest one.
    deepest(error).downcast_ref::<EgressDenial>()
}

/// What was called, as errors name it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    name: String,
    /// The values of the request that must not appear in an error, even if the other side sends them back.
    secrets: Vec<String>,
}

impl Target {
    /// Names the method, the host and the path. The query and the user info stay out, because both may hold tokens.
    pub(crate) fn new<'a>(method: &str, url: &'a Url, secrets: impl Iterator<Item = &'a str>) -> Self {
        let host = url.host_str().unwrap_or_default();
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let name = format!("{method} {host}{port}{}", cut(url.path(), QUOTED_PATH));
        let mut secrets: Vec<String> = secrets
            .chain(url.password())
            // `Bearer <token>`: the token alone is as secret as the whole.
            .flat_map(|value| [Some(value), value.split_once(' ').map(|(_, rest)| rest)])
            .flatten()
            .filter(|value| value.len() >= SHORTEST_SECRET)
            .map(str::to_owned)
            .collect();
        // The longest first, so that a secret inside another one does not leave the rest of it behind.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { name, secrets }
    }

    /// Names a target that has no URL.
    pub(crate) fn named(name: String) -> Self {
        Self { name, secrets: Vec::new() }
    }

    /// Returns a text from the other side as an error may quote it: without secrets, and cut.
    pub(crate) fn quote(&self, text: &str) -> String {
        cut(&self.clean(text.trim()), QUOTED)
    }

    /// Returns a text from the other side without the secrets of the request.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
    }

    /// The error for a request that the egress guard denied.
    pub(crate) fn denied(&self, why: &EgressDenial) -> EffectError {
        permanent(format!("{} was not sent: {why}", self.name))
    }

    /// The error for a request that cannot be made of what the flow says.
    pub(crate) fn not_sent(&self, why: &str) -> EffectError {
        permanent(format!("{} was not sent: {why}", self.name))
    }

    /// The error for a request without a complete response in time.
    pub(crate) fn no_answer(&self, seconds: u64) -> EffectError {
        transient(format!("{} gave no complete answer within {seconds} s", self.name))
    }

    /// The same for a request of a step, which can have more time.
    pub(crate) fn timed_out(&self, seconds: u64) -> EffectError {
        let EffectError { message, .. } = self.no_answer(seconds);
        transient(format!("{message}; if it needs longer, raise the node's timeoutSeconds"))
    }

    /// The error for a connection that could not be made, or that broke.
    pub(crate) fn transport_error(&self, error: &reqwest::Error) -> EffectError {
        if let Some(refused) = egress_denial(error) {
            return self.denied(refused);
        }
        let cause = deepest(error);
        let name = &self.name;
        if error.is_builder() {
            return self.not_sent("the request cannot be built from what the flow says");
        }
        let what = if error.is_connect() { "could not be reached" } else { "broke off" };
        transient(format!("{name} {what}: {}", self.quote(&cause.to_string())))
    }

    /// Returns a sentence about the target: its name and `what` became of the request.
    pub(crate) fn describe(&self, what: &str) -> String {
        format!("{} {what}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn retry_after_may_be_seconds_or_a_date() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (value, expected) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sunday, 06-Nov-94 08:50:07 GMT", Some(30)),
            ("Sun Nov  6 08:50:07 1994", Some(30)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(parse_retry_after(value, now), expected, "{value}");
        }
        let later = now + Duration::from_millis(500);
        assert_eq!(parse_retry_after("Sun, 06 Nov 1994 08:50:07 GMT", later), Some(30), "the wait must not be too short");
    }

    #[test]
    fn only_statuses_that_another_attempt_may_cure_are_retried() {
        let retried: Vec<u16> = (100..600).filter(|status| is_retryable_status(*status)).collect();
        let expected: Vec<u16> = [408, 429].into_iter().chain(500..600).collect();
        assert_eq!(retried, expected);
    }

    #[test]
    fn a_target_is_named_without_query_and_user_info() {
        let url = "https://ada:pass-word@api.example.com:8443/v1/x?token=secret#f".parse().unwrap();
        let target = Target::new("POST", &url, ["Bearer abc-123456", "1"].into_iter());
        assert_eq!(target.describe("answered 400"), "POST api.example.com:8443/v1/x answered 400");
        assert_eq!(target.quote("bad key abc-123456 of pass-word, Bearer abc-123456, 1"), "bad key *** of ***, ***, 1");
    }

    #[test]
    fn cutting_counts_characters() {
        assert_eq!(cut("äöü", 2), "äö…");
        assert_eq!(cut("äöü", 3), "äöü");
    }
}
