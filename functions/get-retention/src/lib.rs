//! `GET /api/org/retention`: how long the organisation's outputs are kept, and how far the last change of that has come.

use api::{ApiError, Call, Endpoint, Reply, view};
use domain::access::Scope;
use domain::ports::{Clock, Outputs, RetentionJobs};
use engine::LongRetention;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint { name: "get-retention", method: "GET", path: "/api/org/retention", scope: Scope::ApiManage };

/// 200 with `longRetention`, and, if it was ever switched, the `job` that applies the last switch to the runs that were there.
pub async fn handle(retention: &LongRetention<impl Outputs + RetentionJobs, impl Clock>, call: Call) -> Result<Reply, ApiError> {
    let (long, job) = retention.get(&call.key.org).await?;
    Ok(Reply::ok(view::retention(long, job.as_ref())))
}
