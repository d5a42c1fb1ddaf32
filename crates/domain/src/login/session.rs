//! The session of a browser: what a person who has signed in has instead of a key.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::access::{Actor, Environment, Grant, base32};
use crate::id::{OrgId, SessionId};
use crate::json::sha256_hex_of;
use crate::time::Time;

/// A session ends this long after its last request, in seconds.
pub const IDLE_SECONDS: u64 = 3_600;
/// A session ends this long after the login, in seconds, whatever it is used for.
pub const ABSOLUTE_SECONDS: u64 = 12 * 3_600;

/// A session. Its secret is in the cookie of the browser, and only a hash of it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The id, which names the session in lists.
    pub id: SessionId,
    /// The organisation.
    pub org: OrgId,
    /// Who has signed in. Its roles and teams are those of the login.
    pub actor: Actor,
    /// What the actor may do.
    pub grants: BTreeSet<Grant>,
    /// The environment of the identity provider.
    pub environment: Environment,
    /// The browser, as it describes itself.
    pub user_agent: Option<String>,
    /// The time of the last request.
    pub last_used_at: Time,
    /// The time from which the session is over, if there is no request before.
    pub idle_until: Time,
    /// The time from which the session is over.
    pub valid_until: Time,
    /// When it was ended before its time.
    pub ended_at: Option<Time>,
}

impl Session {
    /// Returns whether the session is over at `now`.
    pub fn is_over(&self, now: Time) -> bool {
        self.ended_at.is_some() || now >= self.idle_until || now >= self.valid_until
    }
}

const PREFIX: &str = "rs_";
const RANDOM_CHARS: usize = 32;

/// The secret in the cookie of a session: `rs_` and 32 base32 characters, 160 random bits. The `Debug` text does not contain them.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionSecret(String);

/// The error for a text that does not have the form of the secret of a session.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must be {PREFIX} and {RANDOM_CHARS} base32 characters")]
pub struct BadSessionSecret;

impl SessionSecret {
    /// Makes a secret from the lower 80 bits of each of two random numbers.
    pub fn new(random: [u128; 2]) -> Self {
        Self(format!("{PREFIX}{}", base32(random)))
    }

    /// Returns the SHA-256 of the secret in lower-case hex, which is all that is stored.
    pub fn sha256(&self) -> String {
        sha256_hex_of(self.0.as_bytes())
    }

    /// Returns the text itself, for the cookie.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for SessionSecret {
    type Err = BadSessionSecret;

    fn from_str(text: &str) -> Result<Self, BadSessionSecret> {
        let random = text.strip_prefix(PREFIX).ok_or(BadSessionSecret)?;
        let is_base32 = |byte: u8| matches!(byte, b'a'..=b'z' | b'2'..=b'7');
        let is_secret = random.len() == RANDOM_CHARS && random.bytes().all(is_base32);
        if is_secret { Ok(Self(text.to_owned())) } else { Err(BadSessionSecret) }
    }
}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rs_…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_160_bits_reads_back_and_does_not_show_itself() {
        let secret = SessionSecret::new([0, u128::MAX]);
        assert_eq!(secret.reveal(), format!("rs_{}{}", "a".repeat(16), "7".repeat(16)));
        assert_eq!(secret.reveal().parse(), Ok(secret.clone()));
        assert_eq!(format!("{secret:?}"), "rs_…");
        for bad in ["", "rs_", "qe_sk_sandbox_x", &secret.reveal().to_uppercase(), &format!("{}a", secret.reveal())] {
            assert!(bad.parse::<SessionSecret>().is_err(), "{bad}");
        }
    }
}
