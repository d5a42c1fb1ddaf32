//! The secrets that this process has decrypted and still remembers.

use std::collections::HashMap;

use domain::secret::{Sealed, SecretPlace};
use domain::time::Time;
use secrecy::SecretString;

/// How long a secret is remembered, in seconds. A key that is disabled in KMS stops working within this time.
const SECONDS: u64 = 300;
/// The most secrets that are remembered.
const SECRETS: usize = 1_000;

#[derive(Debug, Default)]
pub(crate) struct Opened(HashMap<(SecretPlace, Sealed), (SecretString, Time)>);

impl Opened {
    /// Returns the secret if it was decrypted less than [`SECONDS`] before `now`.
    pub(crate) fn get(&self, place: &SecretPlace, sealed: &Sealed, now: Time) -> Option<SecretString> {
        let (secret, at) = self.0.get(&(place.clone(), sealed.clone()))?;
        (at.plus_seconds(SECONDS) > now).then(|| secret.clone())
    }

    /// Remembers a secret that was decrypted at `now`.
    pub(crate) fn put(&mut self, place: SecretPlace, sealed: Sealed, secret: SecretString, now: Time) {
        if self.0.len() >= SECRETS {
            self.0.retain(|_, (_, at)| at.plus_seconds(SECONDS) > now);
        }
        if self.0.len() < SECRETS {
            self.0.insert((place, sealed), (secret, now));
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::id::OrgId;
    use domain::secret::SecretKind;
    use secrecy::ExposeSecret;

    use super::*;

    fn place(org: u128) -> SecretPlace {
        SecretPlace { org: OrgId::new(Time::from_millis(0), org), kind: SecretKind::FlowWebhook, name: "a".to_owned() }
    }

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    #[test]
    fn a_secret_is_remembered_for_its_place_and_its_ciphertext_and_for_some_minutes() {
        let (first, second) = (Sealed::from_text("first"), Sealed::from_text("second"));
        let mut opened = Opened::default();
        opened.put(place(1), first.clone(), SecretString::from("s"), at(10));
        assert_eq!(opened.get(&place(1), &first, at(309)).unwrap().expose_secret(), "s");
        assert!(opened.get(&place(1), &first, at(310)).is_none());
        assert!(opened.get(&place(2), &first, at(10)).is_none());
        assert!(opened.get(&place(1), &second, at(10)).is_none());
    }

    #[test]
    fn the_number_of_secrets_is_bounded_and_those_that_are_too_old_make_room() {
        let mut opened = Opened::default();
        for number in 0..SECRETS + 5 {
            opened.put(place(1), Sealed::from_text(number.to_string()), SecretString::from("s"), at(0));
        }
        assert_eq!(opened.0.len(), SECRETS);
        opened.put(place(2), Sealed::from_text("new"), SecretString::from("s"), at(SECONDS));
        assert_eq!(opened.0.len(), 1);
    }
}
