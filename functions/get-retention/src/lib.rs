//! `GET /api/org/retention`: how long the organisation's outputs are kept, and how far the last change of that has come.

use api::{ApiError, Call, Endpoint, Reply, view};
use domain::access::Scope;
use domain::ports::{Clock, Executions, Flows, Outputs, RetentionJobs, Runs};
use engine::Engine;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint { name: "get-retention", method: "GET", path: "/api/org/retention", scope: Scope::ApiManage };

/// 200 with `longRetention`, and, if it was ever switched, the `job` that applies the last switch to the runs that were there.
pub async fn handle<R: Runs + Outputs + RetentionJobs, F: Flows, S: Executions, C: Clock>(
    engine: &Engine<R, F, S, C>,
    call: Call,
) -> Result<Reply, ApiError> {
    let (long, job) = engine.long_retention(&call.key.org).await?;
    Ok(Reply::ok(view::retention(long, job.as_ref())))
}
