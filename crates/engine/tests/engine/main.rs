//! The engine on ports in memory: tests that read as sentences about runs.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot be set up should stop at once, and says how much it tried"
)]

mod again;
mod canonical;
mod crashes;
mod cron;
mod endings;
mod expiry;
mod flow_warnings;
mod gates;
mod large;
mod limits;
mod long_retention;
mod outputs;
mod ownership;
mod parallel;
mod pending_effects;
mod retries;
mod starting;
mod waits;
mod webhook;
