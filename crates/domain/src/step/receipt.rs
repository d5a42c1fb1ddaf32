//! The receipt of a step: what is left of its payloads after they were purged.

use super::StepRecord;
use crate::access::Identity;
use crate::payload::Payload;
use crate::time::Time;

/// Why payloads were purged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PurgeReason {
    /// Their retention ended.
    Expired,
    /// An actor requested it.
    Requested {
        /// The name of the actor.
        by: String,
        /// How it was known who the actor is.
        identity: Option<Box<Identity>>,
    },
}

/// A payload that was purged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// The number of bytes of its canonical JSON.
    pub bytes: u64,
    /// The SHA-256 of its canonical JSON in lower-case hex.
    pub sha256: String,
    /// Whether it was in object storage.
    pub stored: bool,
}

/// What is left of a step's payloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purged {
    /// When they were purged.
    pub at: Time,
    /// Why they were purged.
    pub reason: PurgeReason,
    /// What had been sent.
    pub input: Option<Gone>,
    /// What had come back.
    pub output: Option<Gone>,
}

impl Purged {
    /// Returns the payloads that were purged.
    pub fn payloads(&self) -> impl Iterator<Item = &Gone> {
        self.input.iter().chain(&self.output)
    }
}

impl StepRecord {
    /// Returns the receipt of this record: when and how the step ran, with sizes and hashes in the place of its payloads. The
    /// receipt of a receipt is that receipt.
    #[must_use]
    pub fn without_payloads(self, at: Time, reason: PurgeReason) -> Self {
        if self.purged.is_some() {
            return self;
        }
        let purged = Purged { at, reason, input: self.input.as_ref().map(gone), output: self.output.as_ref().map(gone) };
        Self { input: None, output: None, answer: None, purged: Some(Box::new(purged)), ..self }
    }
}

fn gone(payload: &Payload) -> Gone {
    Gone { bytes: payload.bytes() as u64, sha256: payload.sha256(), stored: matches!(payload, Payload::Stored(_)) }
}
