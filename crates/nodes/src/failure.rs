//! How a call that went wrong is told to the step: what was called, what came back, what to do; never a header or a key.

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use domain::ports::EffectError;
use url::Url;

use crate::egress::EgressDenial;

/// The most characters of an answer that a message quotes.
pub(crate) const QUOTED: usize = 500;
/// The most characters of a path that a message quotes.
const QUOTED_PATH: usize = 200;
/// A shorter value is not a secret, and striking it out would only maim the text.
const SHORTEST_SECRET: usize = 6;

/// A failure that another attempt will not cure.
pub(crate) fn hopeless(message: impl Into<String>) -> EffectError {
    EffectError { message: message.into(), retryable: false, retry_after_seconds: None, answer: None }
}

/// A failure that another attempt may cure.
pub(crate) fn passing(message: impl Into<String>) -> EffectError {
    EffectError { retryable: true, ..hopeless(message) }
}

/// Whether an answer with this status is worth another attempt.
pub(crate) fn worth_retrying(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

/// Reads `Retry-After`: seconds, or an HTTP date, which counts from `now`. A date that has passed means at once.
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<u64> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are still a number, if not a sensible one.
        return Some(value.parse().unwrap_or(u64::MAX));
    }
    let at = httpdate::parse_http_date(value).ok()?.duration_since(UNIX_EPOCH).ok()?;
    let now = now.duration_since(UNIX_EPOCH).ok()?;
    let wait = at.saturating_sub(now);
    Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
}

/// The first `most` characters of a text.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The deepest cause, which says it in the words of the system; the outer ones repeat the URL, query and all.
pub(crate) fn deepest<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause
}

/// The guard's own word, if that is why nothing was sent.
pub(crate) fn refusal(error: &reqwest::Error) -> Option<&EgressDenial> {
    // It has no cause.
    deepest(error).downcast_ref::<EgressDenial>()
}

/// What was called, as messages name it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    name: String,
    /// What the request carried and a message must not, even if the other side sends it back.
    secrets: Vec<String>,
}

impl Target {
    /// Names method, host and path. The query and the user info stay out: tokens travel in both.
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

    /// Names what no URL names.
    pub(crate) fn named(name: String) -> Self {
        Self { name, secrets: Vec::new() }
    }

    /// A text from the other side, fit to be shown.
    pub(crate) fn quote(&self, text: &str) -> String {
        cut(&self.clean(text.trim()), QUOTED)
    }

    /// A text from the other side without what the request carried in confidence.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
    }

    /// The call was not sent, and will not be.
    pub(crate) fn refused(&self, why: &EgressDenial) -> EffectError {
        hopeless(format!("{} was not sent: {why}", self.name))
    }

    /// The call cannot be made out of what the flow says.
    pub(crate) fn unusable(&self, why: &str) -> EffectError {
        hopeless(format!("{} was not sent: {why}", self.name))
    }

    /// The time was up.
    pub(crate) fn silent(&self, seconds: u64) -> EffectError {
        passing(format!("{} gave no complete answer within {seconds} s", self.name))
    }

    /// The time of the attempt was up.
    pub(crate) fn late(&self, seconds: u64) -> EffectError {
        let EffectError { message, .. } = self.silent(seconds);
        passing(format!("{message}; if it needs longer, raise the node's timeoutSeconds"))
    }

    /// The connection could not be made, or broke.
    pub(crate) fn broken(&self, error: &reqwest::Error) -> EffectError {
        if let Some(refused) = refusal(error) {
            return self.refused(refused);
        }
        let cause = deepest(error);
        let name = &self.name;
        if error.is_builder() {
            return self.unusable("the request cannot be built from what the flow says");
        }
        let what = if error.is_connect() { "could not be reached" } else { "broke off" };
        passing(format!("{name} {what}: {}", self.quote(&cause.to_string())))
    }

    /// An answer came, and it is not usable.
    pub(crate) fn said(&self, what: &str) -> String {
        format!("{} {what}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
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
            assert_eq!(retry_after(value, now), expected, "{value}");
        }
        let later = now + Duration::from_millis(500);
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:07 GMT", later), Some(30), "whoever waits must not be early");
    }

    #[test]
    fn only_statuses_that_time_may_cure_are_retried() {
        let retried: Vec<u16> = (100..600).filter(|status| worth_retrying(*status)).collect();
        let expected: Vec<u16> = [408, 429].into_iter().chain(500..600).collect();
        assert_eq!(retried, expected);
    }

    #[test]
    fn a_target_is_named_without_query_and_user_info() {
        let url = "https://ada:pass-word@api.example.com:8443/v1/x?token=secret#f".parse().unwrap();
        let target = Target::new("POST", &url, ["Bearer abc-123456", "1"].into_iter());
        assert_eq!(target.said("answered 400"), "POST api.example.com:8443/v1/x answered 400");
        assert_eq!(target.quote("bad key abc-123456 of pass-word, Bearer abc-123456, 1"), "bad key *** of ***, ***, 1");
    }

    #[test]
    fn cutting_counts_characters() {
        assert_eq!(cut("äöü", 2), "äö…");
        assert_eq!(cut("äöü", 3), "äöü");
    }
}
