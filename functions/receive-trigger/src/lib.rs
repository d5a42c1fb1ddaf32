//! `POST /api/triggers/wh/{token}`: a signed call triggers a run of the flow that has this token. The body is the input.

use api::{ApiError, PublicCall, PublicEndpoint, Reply, under, view};
use domain::ports::{Clock, Entropy, Vault, WebhookTriggers};
use domain::problem::FieldErrors;
use engine::{Engine, Ports, TriggerDelivery, WebhookTriggerSecrets};
use serde_json::json;

/// This endpoint. It takes no API key: the signature authenticates the caller.
pub const ENDPOINT: PublicEndpoint = PublicEndpoint { name: "receive-trigger", method: "POST", path: "/api/triggers/wh/{token}" };

/// The maximum size of a body, in bytes.
pub const MAX_BYTES: usize = 1_000_000;
const SIGNATURE: &str = "x-quantum-signature";
const DELIVERY: &str = "x-quantum-delivery";
/// The maximum length of a delivery id, in characters.
const MAX_DELIVERY_CHARS: usize = 255;

/// Answers 202 with the run. The caller signs the raw body: `X-Quantum-Signature: sha256=<hex HMAC-SHA256(webhookSecret, raw body)>`. The
/// previous secret stays valid for 24 hours after a rotation. A repeated `X-Quantum-Delivery` returns the first run again for 3 days,
/// whatever the body is.
///
/// Fails with 413 if the body is too large, and with 415 if its content type is not JSON, before the signature is checked. Fails with the
/// same 401 in all of these cases: no flow has the token, the signature is missing or wrong, the flow is not active. Only a caller with a
/// valid signature gets a 400: the body is not JSON, or the delivery id is not 1 to 255 characters long.
pub async fn handle(
    engine: &Engine<impl Ports>,
    secrets: &WebhookTriggerSecrets<impl WebhookTriggers, impl Vault, impl Clock>,
    entropy: &impl Entropy,
    call: PublicCall,
) -> Result<Reply, ApiError> {
    let raw = call.raw_json(MAX_BYTES)?;
    let token = call.path_parameter("token").parse().ok();
    let signature = call.header(SIGNATURE).unwrap_or_default();
    let flow = secrets.flow_of_call(&engine.flows, token.as_ref(), raw, signature).await?.ok_or(ApiError::Unsigned)?;
    let input = call.json()?.unwrap_or_else(|| json!({}));
    let delivery = TriggerDelivery { flow: &flow, input, id: delivery_id(&call)? };
    let started = engine.deliver(entropy, delivery).await?;
    Ok(Reply::accepted(under("run", view::run(&started.run))))
}

fn delivery_id(call: &PublicCall) -> Result<Option<String>, FieldErrors> {
    if !call.has_header(DELIVERY) {
        return Ok(None);
    }
    let id = call.header(DELIVERY).filter(|id| !id.is_empty() && id.len() <= MAX_DELIVERY_CHARS);
    let problem = || FieldErrors::one("X-Quantum-Delivery", format!("must have 1 to {MAX_DELIVERY_CHARS} characters"));
    id.map(|id| Some(id.to_owned())).ok_or_else(problem)
}
