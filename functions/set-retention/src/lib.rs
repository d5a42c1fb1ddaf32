//! `PUT /api/org/retention`: switches long retention on or off.

use api::{ApiError, ApiRequest, ApiResponse, BodyFields, Endpoint, view};
use domain::access::Scope;
use domain::ports::{Clock, Outputs, RetentionJobs};
use domain::problem::FieldErrors;
use engine::LongRetention;

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "set-retention", method: "PUT", path: "/api/org/retention", scope: Some(Scope::ApiManage), query: &[] };

/// Returns 200 with what `GET` shows. The change applies to new steps at once, and a job applies it to existing runs. Outputs that were
/// purged before do not come back. A change to the current value has no effect.
pub async fn handle(
    retention: &LongRetention<impl Outputs + RetentionJobs, impl Clock>,
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let mut body = BodyFields::of(&request)?;
    let long = body.switch("longRetention");
    body.finish()?;
    let long = long.ok_or_else(|| FieldErrors::one("longRetention", "must be true or false"))?;
    let (long, job) = retention.set(&request.caller.org, long).await?;
    Ok(ApiResponse::ok(view::retention(long, job.as_ref())))
}
