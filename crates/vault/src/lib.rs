//! The vault: AWS KMS encrypts the secrets that have to be used again, each for the place where it is used.

mod opened;

use std::cell::RefCell;
use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_kms::Client;
use aws_sdk_kms::error::DisplayErrorContext;
use aws_sdk_kms::primitives::Blob;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::ports::{Clock, PortError, Vault};
use domain::secret::{Sealed, SecretPlace};
use runtime::{BadSetting, SystemClock, setting};
use secrecy::{ExposeSecret, SecretString};

use crate::opened::Opened;

/// Encrypts with one key of KMS, under an encryption context that names the organisation of a secret and its purpose.
///
/// A secret that was decrypted is remembered for some minutes, in this process only: KMS costs $0.03 for 10,000 calls, which is more than
/// everything else that a delivery costs. A remembered secret is found by its ciphertext, so a secret that was replaced is never used in
/// place of the new one.
#[derive(Debug)]
pub struct KmsVault<C = SystemClock> {
    client: Client,
    key: String,
    clock: C,
    opened: RefCell<Opened>,
}

impl KmsVault {
    /// Returns the vault whose key the environment variable `SECRETS_KEY_ARN` names.
    pub fn from_env(config: &SdkConfig) -> Result<Self, BadSetting> {
        Ok(Self::new(config, setting("SECRETS_KEY_ARN")?, SystemClock))
    }
}

impl<C: Clock> KmsVault<C> {
    /// Returns the vault of the key with this id, ARN or alias.
    pub fn new(config: &SdkConfig, key: impl Into<String>, clock: C) -> Self {
        Self { client: Client::new(config), key: key.into(), clock, opened: RefCell::default() }
    }
}

impl<C: Clock> Vault for KmsVault<C> {
    async fn seal(&self, place: &SecretPlace, secret: &SecretString) -> Result<Sealed, PortError> {
        let request = self.client.encrypt().key_id(&self.key).set_encryption_context(Some(context(place)));
        let answer = request.plaintext(Blob::new(secret.expose_secret())).send().await.map_err(|error| unavailable(&error))?;
        let blob = answer.ciphertext_blob.ok_or_else(|| PortError::Unavailable("KMS gave no ciphertext".to_owned()))?;
        Ok(Sealed::from_text(STANDARD.encode(blob)))
    }

    async fn open(&self, place: &SecretPlace, sealed: &Sealed) -> Result<SecretString, PortError> {
        let known = self.opened.borrow().get(place, sealed, self.clock.now());
        if let Some(known) = known {
            return Ok(known);
        }
        let blob = STANDARD.decode(sealed.text()).map_err(|_| corrupt("is not base64"))?;
        // Because the key is named, a ciphertext of another key is refused.
        let request = self.client.decrypt().key_id(&self.key).set_encryption_context(Some(context(place)));
        let answer = request.ciphertext_blob(Blob::new(blob)).send().await.map_err(|error| match error.as_service_error() {
            Some(refused) if refused.is_invalid_ciphertext_exception() || refused.is_incorrect_key_exception() => {
                corrupt("was not sealed for this place")
            }
            _ => unavailable(&error),
        })?;
        let plaintext = answer.plaintext.map(Blob::into_inner).and_then(|bytes| String::from_utf8(bytes).ok());
        let secret = SecretString::from(plaintext.ok_or_else(|| corrupt("is not text"))?);
        self.opened.borrow_mut().put(place.clone(), sealed.clone(), secret.clone(), self.clock.now());
        Ok(secret)
    }
}

fn context(place: &SecretPlace) -> HashMap<String, String> {
    place.context().into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn corrupt(problem: &str) -> PortError {
    PortError::Corrupt(format!("a sealed secret {problem}"))
}

fn unavailable<E: std::error::Error>(error: &E) -> PortError {
    PortError::Unavailable(format!("KMS: {}", DisplayErrorContext(error)))
}
