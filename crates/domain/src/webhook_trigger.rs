//! The webhook of a flow: a token that names it in a URL, and the secrets that calls of it are signed with.

use std::fmt;
use std::str::FromStr;

use crate::access::base32;
use crate::id::{FlowId, OrgId};
use crate::json::sha256_hex_of;
use crate::secret::{Sealed, SecretKind, SecretPlace};
use crate::time::Time;

/// How long the secret before the present one is good, in seconds from the rotation.
pub const OVERLAP_SECONDS: u64 = 24 * 3600;

const PREFIX: &str = "wht_";
const RANDOM_CHARS: usize = 32;

/// `wht_` and 32 base32 characters: 160 random bits. It names a flow to the world; what proves a call is the signature.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebhookToken(String);

impl WebhookToken {
    /// A new one, from the lower 80 bits of two random numbers.
    pub fn new(random: [u128; 2]) -> Self {
        Self(format!("{PREFIX}{}", base32(random)))
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The SHA-256 of it, in lower-case hex: its flow is found by this.
    pub fn sha256(&self) -> String {
        sha256_hex_of(self.0.as_bytes())
    }
}

/// The text is not a token.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must be `{PREFIX}` and {RANDOM_CHARS} base32 characters")]
pub struct BadWebhookToken;

impl FromStr for WebhookToken {
    type Err = BadWebhookToken;

    fn from_str(text: &str) -> Result<Self, BadWebhookToken> {
        let random = text.strip_prefix(PREFIX).ok_or(BadWebhookToken)?;
        let is_base32 = |byte: u8| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte);
        let is_token = random.len() == RANDOM_CHARS && random.bytes().all(is_base32);
        if is_token { Ok(Self(text.to_owned())) } else { Err(BadWebhookToken) }
    }
}

impl fmt::Display for WebhookToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is kept under a token: whose it is, and what its calls are signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Whose it is.
    pub org: OrgId,
    /// The flow that it starts.
    pub flow: FlowId,
    /// The secret.
    pub secret: Sealed,
    /// The one before it, and until when that is good too.
    pub previous: Option<(Sealed, Time)>,
}

impl Webhook {
    /// Where its secrets belong.
    pub fn place(&self) -> SecretPlace {
        Self::place_of(self.org, self.flow)
    }

    /// Where the secrets of a flow's webhook belong.
    pub fn place_of(org: OrgId, flow: FlowId) -> SecretPlace {
        SecretPlace { org, kind: SecretKind::FlowWebhook, name: flow.to_string() }
    }

    /// It with a new secret. The present one stays good for a day; the one before that is good no longer, however young it is.
    #[must_use]
    pub fn rotated(&self, secret: Sealed, now: Time) -> Self {
        let previous = Some((self.secret.clone(), now.plus_seconds(OVERLAP_SECONDS)));
        Self { secret, previous, ..self.clone() }
    }

    /// The secrets that are good at `now`, the newest first.
    pub fn good_at(&self, now: Time) -> impl Iterator<Item = &Sealed> {
        let previous = self.previous.as_ref().filter(|(_, until)| now < *until).map(|(secret, _)| secret);
        std::iter::once(&self.secret).chain(previous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: u64) -> Time {
        Time::from_millis(minutes * 60_000)
    }

    #[test]
    fn a_token_reads_back_and_nothing_else_is_one() {
        let token = WebhookToken::new([0, u128::MAX]);
        assert_eq!(token.as_str(), format!("wht_{}{}", "a".repeat(16), "7".repeat(16)));
        assert_eq!(token.as_str().parse(), Ok(token.clone()));
        let upper = token.as_str().to_uppercase();
        for bad in ["", "wht_", "whsec_", &upper, &token.as_str()[..35], &format!("{token}a"), &format!("wht_{}", "1".repeat(32))] {
            assert_eq!(bad.parse::<WebhookToken>(), Err(BadWebhookToken), "{bad}");
        }
    }

    #[test]
    fn the_secret_before_is_good_for_a_day_and_the_one_before_that_not_at_all() {
        let [first, second, third] = ["1", "2", "3"].map(Sealed::from_text);
        let webhook = Webhook { org: OrgId::new(at(0), 1), flow: FlowId::new(at(0), 1), secret: first, previous: None };
        let good = |webhook: &Webhook, now| webhook.good_at(now).map(|secret| secret.text().to_owned()).collect::<Vec<_>>();
        assert_eq!(good(&webhook, at(0)), ["1"]);
        let once = webhook.rotated(second, at(0));
        assert_eq!(good(&once, at(23 * 60 + 59)), ["2", "1"]);
        assert_eq!(good(&once, at(24 * 60 + 1)), ["2"]);
        let twice = once.rotated(third.clone(), at(1));
        assert_eq!(good(&twice, at(2)), ["3", "2"]);
    }
}
