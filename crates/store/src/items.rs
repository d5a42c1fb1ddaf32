//! The items of the table, one type for each kind, and their conversions to and from the types of the domain.
//!
//! A stored field is named in one of these files only: in the struct, and in its two conversions.

pub(crate) mod connection;
mod decision;
mod flow;
mod gate;
mod identity_provider;
mod key;
pub(crate) mod organisation;
mod purge;
mod retention;
mod run;
mod session;
mod step;
mod webhook;
mod webhook_trigger;

pub(crate) use connection::{ConnectionEntry, ConnectionItem};
pub(crate) use decision::DecisionItem;
pub(crate) use flow::{FlowItem, SlugItem, VersionItem};
pub(crate) use gate::{ApprovalItem, GateItem};
pub(crate) use identity_provider::{ProviderEntry, ProviderItem};
pub(crate) use key::{KeyEntry, KeyItem, counter, old_counters};
pub(crate) use purge::PurgeItem;
pub(crate) use retention::JobItem;
pub(crate) use run::{IdempotencyItem, InputItem, RunItem, SummaryItem};
pub(crate) use session::{SessionEntry, SessionItem};
pub(crate) use step::StepItem;
pub(crate) use webhook::{DeliveryItem, EndpointsItem, EventItem};
pub(crate) use webhook_trigger::{DeletedItem, TokenItem, TriggerItem};

use domain::json::CanonicalJson;
use domain::ports::PortError;
use domain::step::{ObjectRef, Payload};
use serde_json::Value;

use crate::error::corrupt;

/// Reads JSON that is stored as its canonical text: that is exact to the byte, and smaller than the maps of DynamoDB.
fn from_text(text: &str) -> Result<Value, PortError> {
    serde_json::from_str(text).map_err(corrupt)
}

/// Returns the two attributes of a payload, one of which is present: its text, or a reference to its object.
fn split(payload: Option<&Payload>) -> (Option<String>, Option<ObjectRef>) {
    match payload {
        None => (None, None),
        Some(Payload::Inline(json)) => (Some(json.text().to_owned()), None),
        Some(Payload::Stored(object)) => (None, Some(object.clone())),
    }
}

/// Returns the payload that [`split`] has made two attributes of. `None` if both are absent.
fn join(text: Option<String>, object: Option<ObjectRef>) -> Result<Option<Payload>, PortError> {
    Ok(match (text, object) {
        (_, Some(object)) => Some(Payload::Stored(object)),
        (Some(text), None) => Some(Payload::Inline(CanonicalJson::from_canonical(text).map_err(corrupt)?)),
        (None, None) => None,
    })
}
