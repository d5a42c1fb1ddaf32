//! `POST /api/triggers/wh/{token}`: a signed call triggers a run of the flow that has this token. The body is the input.

use api::{ApiError, ApiResponse, PublicEndpoint, PublicRequest, named, view};
use domain::ports::{Clock, Entropy, Vault, WebhookTriggers};
use domain::problem::FieldErrors;
use engine::{Engine, Ports, TriggerDelivery, WebhookTriggerSecrets};
use serde_json::json;

/// This endpoint. It takes no API key: the signature authenticates the caller.
pub const ENDPOINT: PublicEndpoint =
    PublicEndpoint { name: "receive-trigger", method: "POST", path: "/api/triggers/wh/{token}", query: &[] };

/// The maximum size of a body, in bytes.
pub const MAX_BYTES: usize = 1_000_000;
const SIGNATURE: &str = "x-quantum-signature";
const DELIVERY: &str = "x-quantum-delivery";
/// The maximum length of a delivery id, in characters.
const MAX_DELIVERY_CHARS: usize = 255;

/// Returns 202 with the run. The caller signs the raw body: `X-Quantum-Signature: sha256=<hex HMAC-SHA256(webhookSecret, raw body)>`. The
/// previous secret stays valid for 24 hours after a rotation. A repeated `X-Quantum-Delivery` returns the first run again for 3 days,
/// whatever the body is.
///
/// Fails with 400 for a query parameter, with 413 if the body is too large, and with 415 if its content type is not JSON, before the
/// signature is checked. Fails with the
/// same 401 in all of these cases: no flow has the token, the signature is missing or wrong, the flow is not active. Only a caller with a
/// valid signature gets a 400: the body is not JSON, or the delivery id is not 1 to 255 characters long.
pub async fn handle(
    engine: &Engine<impl Ports>,
    secrets: &WebhookTriggerSecrets<impl WebhookTriggers, impl Vault, impl Clock>,
    entropy: &impl Entropy,
    request: PublicRequest,
) -> Result<ApiResponse, ApiError> {
    let raw = request.raw_json(MAX_BYTES)?;
    let token = request.path_parameter("token").parse().ok();
    let signature = request.header(SIGNATURE).unwrap_or_default();
    let (flow, trigger_changers) = secrets.flow_of_call(&engine.flows, token.as_ref(), raw, signature).await?.ok_or(ApiError::Unsigned)?;
    let input = request.json()?.unwrap_or_else(|| json!({}));
    let delivery = TriggerDelivery { flow: &flow, trigger_changers, input, id: delivery_id(&request)? };
    let started = engine.deliver(entropy, delivery).await?;
    Ok(ApiResponse::accepted(named("run", view::run(&started.run))))
}

fn delivery_id(request: &PublicRequest) -> Result<Option<String>, FieldErrors> {
    if !request.has_header(DELIVERY) {
        return Ok(None);
    }
    let id = request.header(DELIVERY).filter(|id| !id.is_empty() && id.len() <= MAX_DELIVERY_CHARS);
    let problem = || FieldErrors::one("X-Quantum-Delivery", format!("must have 1 to {MAX_DELIVERY_CHARS} characters"));
    id.map(|id| Some(id.to_owned())).ok_or_else(problem)
}
