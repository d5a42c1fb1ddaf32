//! `POST /api/flows/{id}/execute`: starts a run; the body is its input.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, named, view};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::ports::{Entropy, Flows};
use domain::run::Trigger;
use engine::{Engine, Launch, Ports};
use serde_json::json;

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "execute-flow", method: "POST", path: "/api/flows/{id}/execute", scope: Some(Scope::RunsWrite), query: &[] };

/// The maximum size of an input, in bytes.
const MAX_INPUT_BYTES: usize = 5 * 1024 * 1024;

/// Returns 202 with the run. For 24 hours the same `Idempotency-Key` returns the same run again. Fails with 409 if the key comes with
/// another body, and with 422 if the flow is not active.
pub async fn handle(engine: &Engine<impl Ports>, entropy: &impl Entropy, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let input = request.json(MAX_INPUT_BYTES)?.unwrap_or_else(|| json!({}));
    let idempotency_key = request.idempotency_key()?;
    let flow = engine.flows.flow(&request.caller.org, &request.flow_name()?).await?.ok_or(ApplicationError::NotFound("flow"))?;
    let launch = Launch { flow: &flow, trigger: Trigger::Manual, actor: &request.caller.actor, input, idempotency_key };
    let started = engine.start(entropy, launch).await?;
    Ok(ApiResponse::accepted(named("run", view::run(&started.run))))
}
