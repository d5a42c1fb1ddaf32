//! What the tests share: the stack, calls to its API, runs, and the requests that services received.

mod api;
mod aws;
mod browser;
mod processes;
mod qe;
mod recorder;
mod recording;
mod routes;
mod run;
mod server;
mod specs;
mod stack;

use std::time::Duration;

pub use api::{Api, ApiResponse, Rate};
pub use aws::Aws;
pub use browser::{Browser, ada, signed_in};
pub use qe::{Ended, Qe};
pub use recorder::{Recorded, Recorder};
pub use reqwest::Method;
pub use routes::{Route, WITHOUT_KEY, routes};
pub use run::{Run, RunView};
pub use server::{ScriptedServer, json_answer};
pub use specs::{approval_flow, echo_call, edge, gate, one_gate, spec, transform};
pub use stack::{Flow, Stack, unique};

/// The time between two polls.
const PAUSE: Duration = Duration::from_millis(100);
/// The number of polls before it gives up: about a minute and a half, much longer than anything here takes.
const TRIES: usize = 900;

/// Polls until there is a value. `what` completes the sentence "waited in vain for …".
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..TRIES {
        if let Some(seen) = look().await {
            return seen;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("waited in vain for {what}");
}

/// The SHA-256 of some bytes, in lower-case hex.
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(bytes))
}
