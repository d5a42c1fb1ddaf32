//! `POST /api/runs/{runId}/retry`: runs a failed, cancelled or rejected run again, as a new run.

use api::{ApiError, Body, Call, Endpoint, Reply, under, view};
use domain::access::Scope;
use domain::ports::Entropy;
use engine::{Engine, Ports, RetryOptions};

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint { name: "retry-run", method: "POST", path: "/api/runs/{runId}/retry", scope: Scope::RunsWrite };

/// 202 with the new run, whose `retryOf` is the old one. It begins with the first step that did not succeed, or with
/// `fromNodeId`, on the version the old run had, or with `"flowVersion": "latest"` on the newest. 409 unless the run failed or
/// was cancelled; 422 if the flow is not active. `Idempotency-Key` as in `execute`.
pub async fn handle(engine: &Engine<impl Ports>, entropy: &impl Entropy, call: Call) -> Result<Reply, ApiError> {
    let run = call.run_id()?;
    let idempotency_key = call.idempotency_key()?;
    let mut body = Body::of(&call)?;
    let from = body.node("fromNodeId");
    let on_latest_version = body.word("flowVersion", &["latest"]).is_some();
    body.finish()?;
    let again = RetryOptions { from, on_latest_version, idempotency_key };
    let started = engine.retry(entropy, &call.key.org, &run, &call.key.actor, again).await?;
    Ok(Reply::accepted(under("run", view::run(&started.run))))
}
