//! `POST /api/runs/{runId}/retry`: runs a failed, cancelled or rejected run again, as a new run.

use api::{ApiError, ApiRequest, ApiResponse, BodyFields, Endpoint, named, view};
use domain::access::Scope;
use domain::ports::Entropy;
use engine::{Engine, Ports, RetryOptions};

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "retry-run", method: "POST", path: "/api/runs/{runId}/retry", scope: Some(Scope::RunsWrite), query: &[] };

/// Returns 202 with the new run, whose `retryOf` is the old one. It begins with the first step that did not succeed, or with
/// `fromNodeId`, on the version of the old run, or on the newest version with `"flowVersion": "latest"`. `Idempotency-Key` works as in
/// `execute`. Fails with 409 unless the run failed or was cancelled, and with 422 if the flow is not active.
pub async fn handle(engine: &Engine<impl Ports>, entropy: &impl Entropy, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let run = request.run_id()?;
    let idempotency_key = request.idempotency_key()?;
    let mut body = BodyFields::of(&request)?;
    let from = body.node("fromNodeId");
    let on_latest_version = body.word("flowVersion", &["latest"]).is_some();
    body.finish()?;
    let options = RetryOptions { from, on_latest_version, idempotency_key };
    let started = engine.retry(entropy, &request.caller.org, &run, &request.caller.actor, options).await?;
    Ok(ApiResponse::accepted(named("run", view::run(&started.run))))
}
