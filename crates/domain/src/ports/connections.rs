//! Where service connections are kept.

use std::future::Future;

use super::{Page, PortError, Window};
use crate::connection::Connection;
use crate::flow::ServiceSlug;
use crate::id::OrgId;
use crate::time::Time;

/// Service connections, as those need them who call through them. The notes are made if the organisation still has the connection;
/// if not, nothing happens.
pub trait Connections {
    /// The connection of that name, as it was last written.
    fn connection(&self, org: &OrgId, slug: &ServiceSlug) -> impl Future<Output = Result<Option<Connection>, PortError>>;
    /// Notes that something was sent through it at `at`, unless a later time is noted.
    fn note_use(&self, org: &OrgId, connection: &Connection, at: Time) -> impl Future<Output = Result<(), PortError>>;
    /// Notes that it was found healthy at `at`, unless a later time is noted, or it has been replaced since it was read.
    fn note_health(&self, org: &OrgId, connection: &Connection, at: Time) -> impl Future<Output = Result<(), PortError>>;
}

/// What became of a registration.
#[derive(Debug, Clone, PartialEq)]
pub enum Registered {
    /// There was none of that name.
    New(Connection),
    /// One was replaced; id and times of creation and use are still those of the first.
    Again(Connection),
}

/// Service connections, as those see them who manage them.
pub trait ConnectionBook {
    /// Registers a connection, or replaces the one of its name. Its id counts only if there is none yet. What was noted about the
    /// health of the old one is forgotten.
    fn register(&self, org: &OrgId, connection: &Connection) -> impl Future<Output = Result<Registered, PortError>>;
    /// Connections of an organisation, newest first.
    fn connections(&self, org: &OrgId, window: &Window) -> impl Future<Output = Result<Page<Connection>, PortError>>;
    /// Deletes a connection, and gives it as it was; none if the organisation has none of that name.
    fn delete_connection(&self, org: &OrgId, slug: &ServiceSlug) -> impl Future<Output = Result<Option<Connection>, PortError>>;
}
