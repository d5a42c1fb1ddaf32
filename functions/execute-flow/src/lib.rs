//! `POST /api/flows/{id}/execute`: starts a run; the body is its input.

use api::{ApiError, Call, Endpoint, Reply, under, view};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::ports::{Entropy, Flows};
use domain::run::Trigger;
use engine::{Engine, Launch, Ports};
use serde_json::json;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint { name: "execute-flow", method: "POST", path: "/api/flows/{id}/execute", scope: Scope::RunsWrite };

/// The most bytes an input may have.
const MAX_INPUT_BYTES: usize = 5 * 1024 * 1024;

/// 202 with the run; the same `Idempotency-Key` gives the same run for 24 hours, with another body 409; 422 if the flow is not active.
pub async fn handle(engine: &Engine<impl Ports>, entropy: &impl Entropy, call: Call) -> Result<Reply, ApiError> {
    let input = call.json(MAX_INPUT_BYTES)?.unwrap_or_else(|| json!({}));
    let idempotency_key = call.idempotency_key()?;
    let flow = engine.flows.flow(&call.key.org, &call.flow_name()?).await?.ok_or(ApplicationError::NotFound("flow"))?;
    let launch = Launch { flow: &flow, trigger: Trigger::Manual, actor: &call.key.actor, input, idempotency_key };
    let started = engine.start(entropy, launch).await?;
    Ok(Reply::accepted(under("run", view::run(&started.run))))
}
