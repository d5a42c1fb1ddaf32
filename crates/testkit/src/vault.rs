//! A vault for tests.

use domain::ports::{PortError, Vault};
use domain::secret::{Sealed, SecretPlace};
use secrecy::{ExposeSecret, SecretString};

/// A vault that refuses what a vault must refuse, and hides nothing: a sealed secret is its place and the secret, both reversed.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemoryVault;

impl Vault for MemoryVault {
    async fn seal(&self, place: &SecretPlace, secret: &SecretString) -> Result<Sealed, PortError> {
        let backwards: String = secret.expose_secret().chars().rev().collect();
        Ok(Sealed::from_text(format!("{:?} {backwards}", place.context())))
    }

    async fn open(&self, place: &SecretPlace, sealed: &Sealed) -> Result<SecretString, PortError> {
        let backwards = sealed.text().strip_prefix(&format!("{:?} ", place.context()));
        let backwards = backwards.ok_or_else(|| PortError::Corrupt("a sealed secret was not sealed for this place".to_owned()))?;
        Ok(SecretString::from(backwards.chars().rev().collect::<String>()))
    }
}
