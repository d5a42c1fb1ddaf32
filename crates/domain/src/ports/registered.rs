//! The result of registering a service connection.

use crate::connection::Connection;

/// The result of a registration.
#[derive(Debug, Clone, PartialEq)]
pub enum Registered {
    /// The connection is new.
    New(Connection),
    /// The connection replaced one of the same name; its id and the times of its creation and use are still those of the first.
    Again(Connection),
}
