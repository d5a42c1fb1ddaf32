//! Where API keys are stored.

use std::future::Future;

use super::admission::Admission;
use crate::access::{ApiKey, Bucket, Limits, Revocation};
use crate::error::{CommitError, PortError};
use crate::id::{KeyId, OrgId};
use crate::page::{Page, Window};
use crate::time::Time;

/// Admits requests by their keys.
pub trait Keys {
    /// Finds the key whose secret has this SHA-256 (lower-case hex), counts a request of it in `bucket` in the minute of `now`, and
    /// writes the hour of its last use. The key's own limit applies, or that of `all`. However many functions ask at the same time, no
    /// more requests than the limit are admitted in a minute; a key that was revoked before the call is not admitted.
    /// If this fails, the request may have been counted.
    fn admit(&self, secret_sha256: &str, bucket: Bucket, all: Limits, now: Time) -> impl Future<Output = Result<Admission, PortError>>;
}

/// The keys of an organisation, for those who manage them.
pub trait ApiKeys {
    /// Writes a new key under the SHA-256 of its secret (lower-case hex). `Err(Changed)`: a key with that id or secret exists.
    fn create_key(&self, key: &ApiKey, secret_sha256: &str) -> impl Future<Output = Result<(), CommitError>>;
    /// Writes a new key as `create_key` does, if the key whose secret has the hash `maker_sha256` is not revoked. `Err(Changed)`: it is, or a
    /// key with that id or secret exists.
    fn create_key_under(&self, key: &ApiKey, secret_sha256: &str, maker_sha256: &str) -> impl Future<Output = Result<(), CommitError>>;
    /// Returns keys of an organisation, newest first, revoked and expired ones included.
    fn api_keys(&self, org: &OrgId, window: &Window) -> impl Future<Output = Result<Page<ApiKey>, PortError>>;
    /// Revokes a key for every request that begins after the answer. The first revocation of a key stays. Returns the key as it is
    /// then; none if the organisation has no such key.
    fn revoke_key(&self, org: &OrgId, id: &KeyId, revocation: &Revocation) -> impl Future<Output = Result<Option<ApiKey>, PortError>>;
}
