//! `POST /api/triggers/wh/{token}`: a signed call starts a run of the flow that has this token; the body is its input.

use api::{ApiError, PublicCall, PublicEndpoint, Reply, under, view};
use domain::ports::{Clock, Entropy, Executions, Flows, Runs, Vault, WebhookTriggers};
use domain::problem::FieldErrors;
use engine::{Engine, TriggerDelivery, WebhookKeeper};
use serde_json::json;

/// This endpoint. It takes no API key: who calls is known by the signature.
pub const ENDPOINT: PublicEndpoint = PublicEndpoint { name: "receive-webhook", method: "POST", path: "/api/triggers/wh/{token}" };

/// The most bytes a body may have.
pub const MAX_BYTES: usize = 1_000_000;
const SIGNATURE: &str = "x-quantum-signature";
const DELIVERY: &str = "x-quantum-delivery";
/// The longest name of a delivery.
const MAX_DELIVERY_CHARS: usize = 255;

/// 202 with the run. `X-Quantum-Signature: sha256=<hex HMAC-SHA256(webhookSecret, raw body)>`; the secret before the present one is good
/// for 24 hours after the rotation. The same `X-Quantum-TriggerDelivery` gives the first run again for 3 days, whatever its body.
///
/// 413 and 415 for a body that is too large or not JSON by its own account, whoever sends it. Then 401, and always the same one: no flow
/// has the token, the signature is missing or wrong, the flow is not active. Only who has signed learns more: 400 for a body that is not
/// JSON after all, or a name of a delivery that is not 1 to 255 characters.
pub async fn handle<R: Runs, F: Flows, S: Executions, C: Clock>(
    engine: &Engine<R, F, S, C>,
    keeper: &WebhookKeeper<impl WebhookTriggers, impl Vault, impl Clock>,
    entropy: &impl Entropy,
    call: PublicCall,
) -> Result<Reply, ApiError> {
    let raw = call.raw_json(MAX_BYTES)?;
    let token = call.path_parameter("token").parse().ok();
    let signature = call.header(SIGNATURE).unwrap_or_default();
    let flow = keeper.flow_of_call(&engine.flows, token.as_ref(), raw, signature).await?.ok_or(ApiError::Unsigned)?;
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
    let problem = || FieldErrors::one("X-Quantum-TriggerDelivery", format!("must have 1 to {MAX_DELIVERY_CHARS} characters"));
    id.map(|id| Some(id.to_owned())).ok_or_else(problem)
}
