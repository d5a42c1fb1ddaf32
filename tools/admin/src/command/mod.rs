//! What each command does. A command returns what is printed.

pub mod api_key;
pub mod connection;
pub mod decisions;
pub mod egress;
pub mod identity_provider;
pub mod organisation;
