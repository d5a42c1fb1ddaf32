//! The item of an organisation. It is written attribute by attribute, so that a change of one does not overwrite a change of another.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::id::OrgId;
use domain::organisation::{CursorSecret, Organisation};
use domain::ports::PortError;
use domain::time::Time;

use crate::Item;
use crate::error::corrupt;

pub(crate) const LONG_RETENTION: &str = "longRetention";
pub(crate) const CURSOR_SECRET: &str = "cursorSecret";
pub(crate) const CREATED_AT: &str = "createdAt";

pub(crate) fn secret_value(secret: &CursorSecret) -> AttributeValue {
    AttributeValue::B(Blob::new(secret.reveal().as_slice()))
}

/// Returns the cursor secret of an organisation. `None` if it has none yet.
pub(crate) fn cursor_secret(item: &Item) -> Result<Option<CursorSecret>, PortError> {
    let Some(value) = item.get(CURSOR_SECRET) else { return Ok(None) };
    let bytes = value.as_b().ok().and_then(|blob| <[u8; 32]>::try_from(blob.as_ref()).ok());
    // This text is logged, so it does not contain the value.
    bytes.map(|bytes| Some(CursorSecret::from(bytes))).ok_or_else(|| corrupt("a cursor secret that is not 32 bytes"))
}

/// Returns the organisation that an item describes. An item that was made by the first use of the cursor secret has nothing else yet.
pub(crate) fn organisation(id: OrgId, item: &Item) -> Result<Option<Organisation>, PortError> {
    let Some(cursor_secret) = cursor_secret(item)? else { return Ok(None) };
    let long_retention = match item.get(LONG_RETENTION) {
        None => false,
        Some(value) => *value.as_bool().map_err(|value| corrupt(format!("longRetention {value:?} of {id}")))?,
    };
    let created_at = match item.get(CREATED_AT) {
        None => id.created_at(),
        Some(AttributeValue::S(text)) => text.parse::<Time>().map_err(corrupt)?,
        Some(value) => return Err(corrupt(format!("createdAt {value:?} of {id}"))),
    };
    Ok(Some(Organisation { id, long_retention, cursor_secret, created_at }))
}
