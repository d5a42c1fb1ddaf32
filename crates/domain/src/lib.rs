//! The functional core: flows, runs, gates, and the rules between them.
//!
//! No I/O, no clock, no AWS, no HTTP. Everything here can be tested in every order of events without a thread or a socket.
//! [`ports`] names what the rest of the system must bring.

pub mod access;
pub mod connection;
pub mod cron;
pub mod error;
mod fields;
pub mod flow;
pub mod gate;
pub mod id;
pub mod json;
pub mod network;
pub mod organisation;
pub mod path_guard;
pub mod ports;
pub mod problem;
pub mod request;
pub mod retention;
pub mod run;
pub mod secret;
pub mod signature;
pub mod step;
pub mod template;
pub mod time;
pub mod trigger;
pub mod webhook;
