//! The functional core: flows, runs, gates, and the rules between them.
//!
//! This crate does no I/O, reads no clock, and knows neither AWS nor HTTP, so that a test can try every order of events without a thread
//! or a socket. [`ports`] declares what the other crates must implement.
//!
//! An arrow between its modules points one way: `name`, `status`, `json` and `payload` know no other type of the domain, `flow` knows
//! no run, `run` and `step` know no gate, and `ports` knows all of them.

#[macro_use]
mod macros;

pub mod access;
mod body_fields;
pub mod connection;
pub mod cron;
pub mod error;
mod event_name;
pub mod flow;
pub mod gate;
pub mod id;
pub mod json;
pub mod login;
mod name;
pub mod network;
pub mod organisation;
mod page;
pub mod path_guard;
pub mod payload;
pub mod ports;
pub mod problem;
pub mod request;
pub mod retention;
pub mod run;
pub mod schema;
pub mod secret;
pub mod signature;
mod status;
pub mod step;
pub mod template;
pub mod time;
pub mod trigger;
pub mod webhook;
