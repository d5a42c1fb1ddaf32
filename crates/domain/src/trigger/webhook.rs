//! The inbound webhook of a flow: the token that names the flow in a URL, and the secrets that its calls are signed with.

use std::fmt;
use std::str::FromStr;

use crate::access::{RecordedActor, base32};
use crate::id::{FlowId, OrgId};
use crate::json::sha256_hex_of;
use crate::secret::{Sealed, SecretKind, SecretPlace};
use crate::time::Time;

/// How long the previous secret still works, in seconds from the rotation.
pub const OVERLAP_SECONDS: u64 = 24 * 3600;

const PREFIX: &str = "wht_";
const RANDOM_CHARS: usize = 32;

/// `wht_` and 32 base32 characters: 160 random bits. The token names a flow in a public URL; only the signature proves a call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebhookToken(String);

impl WebhookToken {
    /// Makes a token from the lower 80 bits of each of two random numbers.
    pub fn new(random: [u128; 2]) -> Self {
        Self(format!("{PREFIX}{}", base32(random)))
    }

    /// Returns the text of the token.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the SHA-256 of the token in lower-case hex, by which the store finds the flow.
    pub fn sha256(&self) -> String {
        sha256_hex_of(self.0.as_bytes())
    }
}

/// The error for a text that is not a token.
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

/// What is stored under a token: the flow that it starts, and the secrets that its calls are signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookTrigger {
    /// The organisation of the flow.
    pub org: OrgId,
    /// The flow that a call starts.
    pub flow: FlowId,
    /// The current secret.
    pub secret: Sealed,
    /// The actor who made the trigger, or its current secret, and has seen it. A secret that was made before this was kept has none.
    pub changed_by: Option<RecordedActor>,
    /// The previous secret, and the time until which it still works.
    pub previous: Option<(Sealed, Time)>,
    /// The actor who made the previous secret.
    pub previous_changed_by: Option<RecordedActor>,
}

impl WebhookTrigger {
    /// Returns the place that the secrets are sealed for.
    pub fn place(&self) -> SecretPlace {
        Self::place_of(self.org, self.flow)
    }

    /// Returns the place that the secrets of a flow's webhook are sealed for.
    pub fn place_of(org: OrgId, flow: FlowId) -> SecretPlace {
        SecretPlace { org, kind: SecretKind::FlowWebhook, name: flow.to_string() }
    }

    /// Returns the trigger with a new secret. The current secret works for another day; the one before it stops working at once.
    #[must_use]
    pub fn rotated(&self, secret: Sealed, by: RecordedActor, now: Time) -> Self {
        let previous = Some((self.secret.clone(), now.plus_seconds(OVERLAP_SECONDS)));
        Self { secret, changed_by: Some(by), previous, previous_changed_by: self.changed_by.clone(), ..self.clone() }
    }

    /// Returns the secrets that work at `now`, the newest first, each with the actor who made it.
    pub fn valid_at(&self, now: Time) -> impl Iterator<Item = (&Sealed, Option<&RecordedActor>)> {
        let previous = self.previous.as_ref().filter(|(_, until)| now < *until);
        let previous = previous.map(|(secret, _)| (secret, self.previous_changed_by.as_ref()));
        std::iter::once((&self.secret, self.changed_by.as_ref())).chain(previous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: u64) -> Time {
        Time::from_millis(minutes * 60_000)
    }

    #[test]
    fn a_token_reads_back_and_every_other_text_is_refused() {
        let token = WebhookToken::new([0, u128::MAX]);
        assert_eq!(token.as_str(), format!("wht_{}{}", "a".repeat(16), "7".repeat(16)));
        assert_eq!(token.as_str().parse(), Ok(token.clone()));
        let upper = token.as_str().to_uppercase();
        for bad in ["", "wht_", "whsec_", &upper, &token.as_str()[..35], &format!("{token}a"), &format!("wht_{}", "1".repeat(32))] {
            assert_eq!(bad.parse::<WebhookToken>(), Err(BadWebhookToken), "{bad}");
        }
    }

    #[test]
    fn the_previous_secret_works_for_a_day_and_the_one_before_it_stops_at_once() {
        let [first, second, third] = ["1", "2", "3"].map(Sealed::from_text);
        let webhook = WebhookTrigger {
            org: OrgId::new(at(0), 1),
            flow: FlowId::new(at(0), 1),
            secret: first,
            changed_by: None,
            previous: None,
            previous_changed_by: None,
        };
        let valid = |webhook: &WebhookTrigger, now| webhook.valid_at(now).map(|(secret, _)| secret.text().to_owned()).collect::<Vec<_>>();
        assert_eq!(valid(&webhook, at(0)), ["1"]);
        let once = webhook.rotated(second, RecordedActor::named("usr_ada"), at(0));
        assert_eq!(valid(&once, at(23 * 60 + 59)), ["2", "1"]);
        assert_eq!(valid(&once, at(24 * 60 + 1)), ["2"]);
        let twice = once.rotated(third.clone(), RecordedActor::named("usr_bob"), at(1));
        assert_eq!(valid(&twice, at(2)), ["3", "2"]);
        let makers: Vec<_> = twice.valid_at(at(2)).map(|(_, maker)| maker.unwrap().id.as_str()).collect();
        assert_eq!(makers, ["usr_bob", "usr_ada"]);
    }
}
