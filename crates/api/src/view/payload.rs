//! Payloads, or references to them.

use domain::ports::{PortError, Runs};
use domain::step::Payload;
use domain::time::Time;
use serde_json::{Value, json};

use crate::json_object::set;

/// The validity of the signed URL of a large payload, in seconds.
const SIGNED_SECONDS: u64 = 15 * 60;

/// Adds a payload under its name, or a reference under `<name>Ref` if the payload is in object storage.
pub(super) async fn put_payload(runs: &impl Runs, now: Time, view: &mut Value, name: &str, payload: &Payload) -> Result<(), PortError> {
    match payload {
        Payload::Inline(value) => set(view, name, Value::clone(value)),
        Payload::Stored(object) => {
            let url = runs.sign(object, SIGNED_SECONDS).await?;
            let expires_at = now.plus_seconds(SIGNED_SECONDS);
            let reference = json!({"url": url, "bytes": object.bytes, "sha256": object.sha256, "expiresAt": expires_at});
            set(view, format!("{name}Ref"), reference);
        }
    }
    Ok(())
}
