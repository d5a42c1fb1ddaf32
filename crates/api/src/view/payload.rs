//! Payloads: themselves, or where to fetch them.

use domain::ports::{PortError, Runs};
use domain::step::Payload;
use domain::time::Time;
use serde_json::{Value, json};

use crate::set;

/// A signed URL of a large payload is good for 15 minutes.
const SIGNED_SECONDS: u64 = 15 * 60;

/// A payload under its name, or, if it lies beside the record, where to fetch it, under `<name>Ref`.
pub(super) async fn put_payload(runs: &impl Runs, now: Time, view: &mut Value, name: &str, payload: &Payload) -> Result<(), PortError> {
    match payload {
        Payload::Inline(value) => set(view, name, Value::clone(value)),
        Payload::Stored(object) => {
            let url = runs.sign(object, SIGNED_SECONDS).await?;
            let expires_at = now.plus_seconds(SIGNED_SECONDS);
            let place = json!({"url": url, "bytes": object.bytes, "sha256": object.sha256, "expiresAt": expires_at});
            set(view, format!("{name}Ref"), place);
        }
    }
    Ok(())
}
