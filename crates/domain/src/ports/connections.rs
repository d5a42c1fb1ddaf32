//! Where service connections are stored.

use std::collections::BTreeSet;
use std::future::Future;

use super::registered::Registered;
use crate::connection::Connection;
use crate::error::PortError;
use crate::id::OrgId;
use crate::name::ServiceSlug;
use crate::page::{Page, Window};
use crate::time::Time;

/// Service connections, for those who call through them. The notes are written only if the organisation still has the connection.
pub trait Connections {
    /// Returns the connection of that name, as it was last written.
    fn connection(&self, org: &OrgId, slug: &ServiceSlug) -> impl Future<Output = Result<Option<Connection>, PortError>>;
    /// Writes that the connection was used at `at`, unless a later time is stored.
    fn note_use(&self, org: &OrgId, connection: &Connection, at: Time) -> impl Future<Output = Result<(), PortError>>;
    /// Writes that the connection was healthy at `at`, unless a later time is stored, or the connection was replaced since it was read.
    fn note_health(&self, org: &OrgId, connection: &Connection, at: Time) -> impl Future<Output = Result<(), PortError>>;
}

/// Service connections, for those who manage them.
pub trait ConnectionBook {
    /// Registers a connection, or replaces the one of its name. The given id is used only if the connection is new. The health of a
    /// replaced connection is forgotten.
    fn register(&self, org: &OrgId, connection: &Connection) -> impl Future<Output = Result<Registered, PortError>>;
    /// Returns connections of an organisation, newest first.
    fn connections(&self, org: &OrgId, window: &Window) -> impl Future<Output = Result<Page<Connection>, PortError>>;
    /// Returns those of the connections with these names that the organisation has, in no order.
    fn connections_named(&self, org: &OrgId, slugs: &BTreeSet<ServiceSlug>) -> impl Future<Output = Result<Vec<Connection>, PortError>>;
    /// Deletes a connection and returns it as it was; none if the organisation has none of that name.
    fn delete_connection(&self, org: &OrgId, slug: &ServiceSlug) -> impl Future<Output = Result<Option<Connection>, PortError>>;
}
