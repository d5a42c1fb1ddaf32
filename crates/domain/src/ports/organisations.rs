//! Where organisations are stored.

use std::future::Future;

use crate::error::PortError;
use crate::id::OrgId;
use crate::organisation::{CursorSecret, Organisation};

/// Organisations.
pub trait Organisations {
    /// Returns the organisation as it was last written. None if it was never written: its keys are older than this record, and it has no
    /// option switched on.
    fn organisation(&self, id: &OrgId) -> impl Future<Output = Result<Option<Organisation>, PortError>>;
    /// Writes an organisation, new or changed. Its cursor secret is written only if the stored one has none: a secret never changes.
    fn put_organisation(&self, organisation: &Organisation) -> impl Future<Output = Result<(), PortError>>;
    /// Returns the secret that signs the organisation's cursors. It is made at first use, and is always the same afterwards.
    fn cursor_secret(&self, id: &OrgId) -> impl Future<Output = Result<CursorSecret, PortError>>;
}
