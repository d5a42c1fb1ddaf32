//! The secret of an API key: it is made once, shown once, and afterwards known only by its hash.

use std::fmt;
use std::str::FromStr;

use crate::json::sha256_hex_of;

/// What a key is for. Only the prefix differs, so that people can tell the two apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// For tests.
    Sandbox,
    /// For production.
    Live,
}

impl Environment {
    fn prefix(self) -> &'static str {
        match self {
            Self::Sandbox => "qe_sk_sandbox_",
            Self::Live => "qe_sk_live_",
        }
    }
}

/// The beginning of every secret.
pub const SECRET_MARK: &str = "qe_sk_";
const RANDOM_CHARS: usize = 32;

/// Returns the lower 80 bits of two random numbers in base32 (RFC 4648, lower case): 32 characters, five bits each.
pub(crate) fn base32(random: [u128; 2]) -> String {
    let fives = random.into_iter().flat_map(|word| (0..16).map(move |place| (word >> (place * 5)) & 31));
    let chars = fives.filter_map(|five| u8::try_from(five).ok()).map(|five| if five < 26 { b'a' + five } else { b'2' + five - 26 });
    chars.map(char::from).collect()
}

/// `qe_sk_<sandbox|live>_<32 base32 characters>`: 160 random bits. The `Debug` text does not contain them.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    environment: Environment,
    text: String,
}

impl Secret {
    /// Makes a secret from the lower 80 bits of each of two random numbers.
    pub fn new(environment: Environment, random: [u128; 2]) -> Self {
        Self { environment, text: format!("{}{}", environment.prefix(), base32(random)) }
    }

    /// Returns what the key is for.
    pub fn environment(&self) -> Environment {
        self.environment
    }

    /// Returns the SHA-256 of the secret in lower-case hex, which is all that is stored.
    pub fn sha256(&self) -> String {
        sha256_hex_of(self.text.as_bytes())
    }

    /// Returns the text itself, to be shown to its owner.
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

/// The error for a text that does not have the form of a secret.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must be qe_sk_<sandbox|live>_ and 32 base32 characters")]
pub struct BadSecret;

impl FromStr for Secret {
    type Err = BadSecret;

    fn from_str(text: &str) -> Result<Self, BadSecret> {
        let found = [Environment::Sandbox, Environment::Live].into_iter().find_map(|environment| {
            let random = text.strip_prefix(environment.prefix())?;
            let base32 = random.len() == RANDOM_CHARS && random.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
            base32.then(|| Self { environment, text: text.to_owned() })
        });
        found.ok_or(BadSecret)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", self.environment.prefix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_160_bits_and_reads_back() {
        let secret = Secret::new(Environment::Live, [0, u128::MAX]);
        assert_eq!(secret.reveal(), format!("qe_sk_live_{}{}", "a".repeat(16), "7".repeat(16)));
        assert_eq!(secret.reveal().parse(), Ok(secret.clone()));
        // Each of the lower 80 bits changes it.
        let all: std::collections::BTreeSet<String> = (0..80)
            .flat_map(|bit| [[1 << bit, 0], [0, 1 << bit]])
            .map(|random| Secret::new(Environment::Live, random).sha256())
            .chain([Secret::new(Environment::Live, [0, 0]).sha256()])
            .collect();
        assert_eq!(all.len(), 161);
        // printf qe_sk_sandbox_abcdefghijklmnopqrstuvwxyz234567 | openssl dgst -sha256
        let known: Secret = "qe_sk_sandbox_abcdefghijklmnopqrstuvwxyz234567".parse().unwrap();
        assert_eq!(known.sha256(), "6cc5e547ddc27c3ca22e91d1c2baffd5eaec2521986c46c0828b654812fbe554");
    }

    #[test]
    fn a_text_of_another_form_is_not_a_secret() {
        let random = "a2".repeat(16);
        for bad in [
            random.clone(),
            format!("qe_sk_test_{random}"),
            format!("qe_sk_sandbox_{random}a"),
            format!("qe_sk_sandbox_{}", random.to_uppercase()),
            format!("qe_sk_sandbox_{}", "a1".repeat(16)),
            format!(" qe_sk_sandbox_{random}"),
            String::new(),
        ] {
            assert_eq!(bad.parse::<Secret>(), Err(BadSecret), "{bad}");
        }
    }

    #[test]
    fn a_secret_does_not_show_itself_in_logs() {
        let secret = Secret::new(Environment::Sandbox, [1, 2]);
        assert_eq!(format!("{secret:?}"), "qe_sk_sandbox_…");
    }
}
