//! The engine on ports in memory: what happens to runs, told as sentences.
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
mod debts;
mod endings;
mod expiry;
mod gates;
mod large;
mod limits;
mod long_retention;
mod outputs;
mod ownership;
mod parallel;
mod retries;
mod starting;
mod waits;
mod webhook;
