//! People who sign in: where their identity providers and their sessions are stored.

use std::future::Future;

use crate::access::{Bucket, Limits, Usage};
use crate::error::{CommitError, PortError};
use crate::id::{OrgId, SessionId};
use crate::login::{IdentityProvider, Session};
use crate::time::Time;

/// The result of counting a request of somebody who has signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// The request was counted.
    Admitted(Usage),
    /// The limit is used up. The request was not counted.
    Exhausted(Usage),
}

/// The result of admitting a request by the cookie of a session.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one for each request, and almost always it is the large one")]
pub enum SessionAdmission {
    /// The session does not exist, or is over. Nothing was counted.
    Unknown,
    /// The limit is used up.
    Exhausted(Usage),
    /// The request was counted, and the idle end of the session moved on.
    Admitted(Session, Usage),
}

/// Admits requests of people who have signed in.
pub trait Logins {
    /// Returns the provider that has registered this issuer with this audience.
    fn provider_for(&self, issuer: &str, audience: &str) -> impl Future<Output = Result<Option<IdentityProvider>, PortError>>;
    /// Counts a request of the login with this hash, as [`Keys::admit`](super::Keys::admit) counts one of a key.
    fn count_login(&self, login_sha256: &str, bucket: Bucket, all: Limits, now: Time) -> impl Future<Output = Result<Counted, PortError>>;
    /// Finds the session whose secret has this SHA-256 (lower-case hex), counts a request of it, and moves its idle end on. A session that
    /// was ended before the call is not admitted.
    fn admit_session(
        &self,
        secret_sha256: &str,
        bucket: Bucket,
        all: Limits,
        now: Time,
    ) -> impl Future<Output = Result<SessionAdmission, PortError>>;
}

/// The identity providers of organisations.
pub trait IdentityProviders {
    /// Returns the provider of an organisation.
    fn identity_provider(&self, org: &OrgId) -> impl Future<Output = Result<Option<IdentityProvider>, PortError>>;
    /// Writes the provider of an organisation in the place of `before`. `Err(Changed)`: another organisation has the issuer with one of the
    /// audiences, or the provider was changed since `before` was read.
    fn put_identity_provider(
        &self,
        provider: &IdentityProvider,
        before: Option<&IdentityProvider>,
    ) -> impl Future<Output = Result<(), CommitError>>;
    /// Deletes a provider. `Err(Changed)`: it was changed since it was read.
    fn delete_identity_provider(&self, provider: &IdentityProvider) -> impl Future<Output = Result<(), CommitError>>;
    /// Returns the organisation that has a provider, if exactly one of the deployment has.
    fn only_identity_provider(&self) -> impl Future<Output = Result<Option<OrgId>, PortError>>;
}

/// The sessions of an organisation.
pub trait Sessions {
    /// Writes a new session under the SHA-256 of its secret (lower-case hex). `Err(Changed)`: there is one with that id or secret.
    fn create_session(&self, session: &Session, secret_sha256: &str) -> impl Future<Output = Result<(), CommitError>>;
    /// Returns the newest 1,000 sessions of an organisation that were not ended, newest first. Some may be over by time.
    fn sessions(&self, org: &OrgId) -> impl Future<Output = Result<Vec<Session>, PortError>>;
    /// Returns a session that was not ended.
    fn session(&self, org: &OrgId, id: &SessionId) -> impl Future<Output = Result<Option<Session>, PortError>>;
    /// Ends a session for every request that begins after the answer. Returns whether there was one.
    fn end_session(&self, org: &OrgId, id: &SessionId, now: Time) -> impl Future<Output = Result<bool, PortError>>;
}
