//! The items of the table, one type each, and what they mean to the domain.

pub(crate) mod connection;
mod flow;
mod gate;
mod key;
pub(crate) mod organisation;
mod purge;
mod retention;
mod run;
mod step;
mod webhook;
mod webhook_trigger;

pub(crate) use connection::{ConnectionEntry, ConnectionItem};
pub(crate) use flow::{FlowItem, SlugItem, VersionItem};
pub(crate) use gate::GateItem;
pub(crate) use key::{CollectionItem, KeyItem, counter, old_counters};
pub(crate) use purge::PurgeItem;
pub(crate) use retention::JobItem;
pub(crate) use run::{IdempotencyItem, InputItem, RunItem, SummaryItem};
pub(crate) use step::StepItem;
pub(crate) use webhook::{DeliveryItem, EndpointsItem, EventItem};
pub(crate) use webhook_trigger::{GoneItem, TokenItem, WebhookItem};

use domain::json::CanonicalJson;
use domain::ports::PortError;
use domain::step::{ObjectRef, Payload};
use serde_json::Value;

use crate::error::corrupt;

/// JSON is kept as its canonical text: exact to the byte, and cheaper than DynamoDB's own maps.
fn from_text(text: &str) -> Result<Value, PortError> {
    serde_json::from_str(text).map_err(corrupt)
}

/// A payload's two attributes: the text itself, or where it lies.
fn split(payload: Option<&Payload>) -> (Option<String>, Option<ObjectRef>) {
    match payload {
        None => (None, None),
        Some(Payload::Inline(json)) => (Some(json.text().to_owned()), None),
        Some(Payload::Stored(object)) => (None, Some(object.clone())),
    }
}

fn join(text: Option<String>, object: Option<ObjectRef>) -> Result<Option<Payload>, PortError> {
    Ok(match (text, object) {
        (_, Some(object)) => Some(Payload::Stored(object)),
        (Some(text), None) => Some(Payload::Inline(CanonicalJson::from_canonical(text).map_err(corrupt)?)),
        (None, None) => None,
    })
}
