//! `GET /api/org/retention`: how long the organisation's outputs are kept, and the progress of the last change of it.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, view};
use domain::access::Scope;
use domain::ports::{Clock, Outputs, RetentionJobs};
use engine::LongRetention;

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "get-retention", method: "GET", path: "/api/org/retention", scope: Some(Scope::ApiManage), query: &[] };

/// Returns 200 with `longRetention` and, if it was ever changed, the `job` that applies the last change to existing runs.
pub async fn handle(
    retention: &LongRetention<impl Outputs + RetentionJobs, impl Clock>,
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let (long, job) = retention.get(&request.caller.org).await?;
    Ok(ApiResponse::ok(view::retention(long, job.as_ref())))
}
