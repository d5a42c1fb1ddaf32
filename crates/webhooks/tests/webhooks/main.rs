//! From what happens to a run to what an endpoint receives, on the real engine and ports in memory.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot be set up should stop at once")]

mod bodies;
mod delivering;
mod notices;
mod publishing;
mod stack;
mod walks;
