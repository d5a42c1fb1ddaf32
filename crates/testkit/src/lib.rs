//! Test tools: the ports of the domain in memory, a clock that a test moves, a player of the state machines, and one suite that every store
//! must pass.
//!
//! Nothing here sleeps, opens a socket or reads a clock. Everything is `Clone`, and clones share their state. [`Faults`] can make any call of
//! any port fail, lose its answer, or end the whole invocation; [`Deployment`] puts everything together under a real engine.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::needless_pass_by_value,
    reason = "test code: what cannot be set up, and what does not hold, stops the test at once"
)]

pub mod build;
mod clock;
mod deployment;
mod effects;
mod entropy;
mod executions;
mod executor;
mod faults;
mod memory;
pub mod suite;
mod vault;
mod webhooks;

pub use clock::ManualClock;
pub use deployment::{ATTEMPTS, Deployment, Invoked, MemoryEngine};
pub use effects::{Reply, ScriptedEffects, Sent};
pub use entropy::SeededEntropy;
pub use executions::{Execution, RecordedExecutions, Stage};
pub use executor::{Tasks, block_on, run_until};
pub use faults::{Call, Fate, Faults};
pub use memory::{BrokenGuarantee, Memory, limits};
pub use vault::MemoryVault;
pub use webhooks::{MemoryDeadLetters, MemoryQueue, ScriptedMailSender, ScriptedWebhookSender, SentRequest};
