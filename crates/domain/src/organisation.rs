//! Organisations.

use std::fmt;

use crate::id::OrgId;
use crate::time::Time;

/// An organisation: the boundary of all data and access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// The id.
    pub id: OrgId,
    /// Whether its outputs are kept for ever.
    pub long_retention: bool,
    /// The secret that signs its cursors.
    pub cursor_secret: CursorSecret,
    /// When the organisation was created.
    pub created_at: Time,
}

/// The secret that signs the cursors of an organisation's lists. The `Debug` text does not contain it.
#[derive(Clone, PartialEq, Eq)]
pub struct CursorSecret([u8; 32]);

impl CursorSecret {
    /// Makes a secret of 256 random bits.
    pub fn of_random(high: u128, low: u128) -> Self {
        let mut bytes = [0; 32];
        let words = high.to_be_bytes().into_iter().chain(low.to_be_bytes());
        bytes.iter_mut().zip(words).for_each(|(byte, word)| *byte = word);
        Self(bytes)
    }

    /// Returns the bytes, to sign with and to store.
    pub fn reveal(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for CursorSecret {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for CursorSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CursorSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_keeps_every_random_bit_and_is_never_printed() {
        let secret = CursorSecret::of_random(u128::MAX - 1, 7);
        assert_eq!(secret.reveal()[..16], (u128::MAX - 1).to_be_bytes());
        assert_eq!(secret.reveal()[16..], 7u128.to_be_bytes());
        assert_eq!(CursorSecret::from(*secret.reveal()), secret);
        let organisation = Organisation {
            id: OrgId::new(Time::from_millis(1), 1),
            long_retention: true,
            cursor_secret: secret,
            created_at: Time::from_millis(1),
        };
        let printed = format!("{organisation:?}");
        assert!(printed.contains("CursorSecret(…)") && !printed.contains("255"), "{printed}");
    }
}
