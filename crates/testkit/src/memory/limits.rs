//! The limits of DynamoDB, so that a test on the store in memory meets what a deployment meets.
//!
//! The sizes are estimates from below: what can be long is counted exactly, and what is always short as a constant. A test of
//! `store` compares them with the items that the real store writes.

use domain::access::Identity;
use domain::gate::{Gate, Outcome, Vote};
use domain::json::canonical;
use domain::ports::PortError;
use domain::run::Run;
use domain::step::{Payload, StepRecord};
use domain::webhook::{Delivery, Endpoint, Endpoints, Event};
use serde_json::Value;

/// The most bytes that an item may have: the names and the values of its attributes.
pub const MAX_ITEM_BYTES: usize = 400 * 1024;
/// The most bytes that the items of one transaction may have together.
pub const MAX_TRANSACTION_BYTES: usize = 4 * 1024 * 1024;
/// The most items that one transaction may write.
pub const MAX_TRANSACTION_ITEMS: usize = 100;

/// The short attributes of a run, a gate and a step, with the names of all attributes.
const RUN_BYTES: usize = 600;
const GATE_BYTES: usize = 450;
const STEP_BYTES: usize = 250;
const OUTCOME_BYTES: usize = 250;
const VOTE_BYTES: usize = 120;
/// A reference to an object: its key, its size and its hash.
const OBJECT_BYTES: usize = 200;

/// Refuses a write that DynamoDB would refuse every time, given the size of each of its items.
pub(super) fn check(items: &[usize]) -> Result<(), PortError> {
    if let Some(bytes) = items.iter().find(|bytes| **bytes > MAX_ITEM_BYTES) {
        return Err(PortError::Rejected(format!("an item has {bytes} bytes, and at most {MAX_ITEM_BYTES} are allowed")));
    }
    if items.len() > MAX_TRANSACTION_ITEMS {
        return Err(PortError::Rejected(format!(
            "a transaction has {} items, and at most {MAX_TRANSACTION_ITEMS} are allowed",
            items.len()
        )));
    }
    let bytes: usize = items.iter().sum();
    if items.len() > 1 && bytes > MAX_TRANSACTION_BYTES {
        return Err(PortError::Rejected(format!("a transaction has {bytes} bytes, and at most {MAX_TRANSACTION_BYTES} are allowed")));
    }
    Ok(())
}

/// Returns the size of a run's item, in bytes.
pub fn run_bytes(run: &Run) -> usize {
    let error = run.error.as_ref().map_or(0, |error| error.message.len() + error.node.as_ref().map_or(0, String::len));
    let cancellation =
        run.cancellation.as_ref().map_or(0, |by| by.actor.len() + identity_bytes(by.identity.as_ref()) + text_bytes(by.reason.as_ref()));
    let starters = run.retried.as_ref().map_or(0, |retried| retried.starters.iter().map(String::len).sum());
    let generating: usize = run.generating.keys().map(|node| node.as_str().len() + 30).sum();
    let rounds: usize = run.rounds.keys().map(|node| node.as_str().len() + 2).sum();
    RUN_BYTES + run.started_by.len() + error + cancellation + starters + generating + rounds + run.progress.states().len()
}

/// Returns the size of a gate's item, in bytes.
pub fn gate_bytes(gate: &Gate) -> usize {
    let vote = |vote: &Vote| VOTE_BYTES + vote.actor.len() + identity_bytes(vote.identity.as_ref()) + text_bytes(vote.note.as_ref());
    GATE_BYTES
        + gate.action_label.len()
        + payload_bytes(Some(&gate.proposed_action))
        + payload_bytes(gate.data.as_ref())
        + gate.votes.iter().map(vote).sum::<usize>()
        + gate.edited.as_ref().map_or(0, |edited| payload_bytes(Some(&edited.action)) + patch_bytes(edited.patch.as_ref()))
        + gate.outcome.as_ref().map_or(0, outcome_bytes)
        + gate.changes.as_ref().map_or(0, |changes| changes.by.id.len() + changes.note.len())
}

fn outcome_bytes(outcome: &Outcome) -> usize {
    let decided = Some(&outcome.decided_action).filter(|_| !outcome.is_as_proposed());
    OUTCOME_BYTES
        + text_bytes(outcome.actor.as_ref())
        + identity_bytes(outcome.identity.as_ref())
        + text_bytes(outcome.note.as_ref())
        + payload_bytes(decided)
        + patch_bytes(outcome.patch.as_ref())
}

fn patch_bytes(patch: Option<&Value>) -> usize {
    patch.map_or(0, |patch| canonical(patch).len())
}

/// Returns the size of the item of a step's record, in bytes.
pub fn step_bytes(step: &StepRecord) -> usize {
    STEP_BYTES
        + payload_bytes(step.input.as_ref())
        + payload_bytes(step.output.as_ref())
        + step.answer.as_ref().map_or(0, |answer| canonical(&answer.headers).len())
        + text_bytes(step.error.as_ref())
}

/// Returns the size of an event's item, in bytes.
pub fn event_bytes(event: &Event) -> usize {
    200 + event.name.len() + event.body.len()
}

/// Returns the size of a delivery's item, in bytes.
pub fn delivery_bytes(delivery: &Delivery) -> usize {
    500 + delivery.event_name.len() + text_bytes(delivery.answer.as_ref()) + text_bytes(delivery.error.as_ref())
}

/// Returns the size of the item that has all endpoints of an organisation, in bytes.
pub fn endpoints_bytes(endpoints: &Endpoints) -> usize {
    let target = |endpoint: &Endpoint| {
        let url = endpoint.target.shown_url().map_or(0, str::len);
        url + endpoint.target.recipients().unwrap_or_default().iter().map(|address| address.len() + 1).sum::<usize>()
    };
    let one = |endpoint: &Endpoint| 300 + target(endpoint) + text_bytes(endpoint.description.as_ref()) + endpoint.created_by.len();
    100 + endpoints.all.iter().map(one).sum::<usize>()
}

fn payload_bytes(payload: Option<&Payload>) -> usize {
    payload.map_or(0, |payload| payload.value().map_or(OBJECT_BYTES, |_| payload.bytes()))
}

fn identity_bytes(identity: Option<&Identity>) -> usize {
    match identity {
        None => 0,
        Some(Identity::ApiKey(key)) => 80 + key.key_name.len() + key.key_created_by.len(),
        Some(Identity::Login(login)) => {
            80 + text_bytes(login.name.as_ref()) + text_bytes(login.mail.as_ref()) + login.issuer.len() + login.subject.len()
        }
    }
}

fn text_bytes(text: Option<&String>) -> usize {
    text.map_or(0, String::len)
}
