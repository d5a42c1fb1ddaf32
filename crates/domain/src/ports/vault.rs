//! Encryption of secrets that have to be used again.

use std::future::Future;

use secrecy::SecretString;

use crate::error::PortError;
use crate::secret::{Sealed, SecretPlace};

/// Encrypts secrets that have to be used again.
pub trait Vault {
    /// Encrypts a secret of at most 4,096 bytes for one place.
    fn seal(&self, place: &SecretPlace, secret: &SecretString) -> impl Future<Output = Result<Sealed, PortError>>;
    /// Decrypts a secret in its place. `Err(Corrupt)`: it was sealed for another place, or is not a ciphertext.
    fn open(&self, place: &SecretPlace, sealed: &Sealed) -> impl Future<Output = Result<SecretString, PortError>>;
}
