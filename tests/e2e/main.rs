//! End to end: the real binaries on the local stack, called over HTTP, as a user calls them.
//!
//! The tests read the stack's address and keys from the environment (`make test` sets them). Each makes flows of its own, with
//! unique slugs and unique paths at the echo service, so that all of them can run at the same time. The tests in [`faults`]
//! kill processes of the stack; they wait until they are alone on it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what serves tests is a test too: it stops at the first thing that is wrong"
)]

mod access;
mod api_keys;
mod cancel;
mod canonical;
mod cli;
mod concurrency;
mod connections;
mod contract;
mod cron;
mod decision_history;
mod decisions;
mod depth;
mod faults;
mod flows;
mod gate_rules;
mod generated_client;
mod hostile;
mod idempotency;
mod inbox;
mod large_payloads;
mod large_runs;
mod lists;
mod llm;
mod logins;
mod nodes;
mod notices;
mod organisations;
mod outcomes;
mod qe_login;
mod rate_limits;
mod reassigning;
mod requests;
mod retention;
mod retries;
mod retry_run;
mod rounds;
mod secrecy;
mod support;
mod tour;
mod validation;
mod waits;
mod webhook_trigger;
mod webhooks_out;
