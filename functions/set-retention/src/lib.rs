//! `PUT /api/org/retention`: switches long retention on or off.

use api::{ApiError, Body, Call, Endpoint, Reply, view};
use domain::access::Scope;
use domain::ports::{Clock, Outputs, RetentionJobs};
use domain::problem::FieldErrors;
use engine::LongRetention;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint { name: "set-retention", method: "PUT", path: "/api/org/retention", scope: Scope::ApiManage };

/// 200 with what `GET` shows: new steps are kept accordingly from now on, and a job applies it to the runs that are there already.
/// Outputs whose time was up before do not come back. Switching to what it is already changes nothing.
pub async fn handle(retention: &LongRetention<impl Outputs + RetentionJobs, impl Clock>, call: Call) -> Result<Reply, ApiError> {
    let mut body = Body::of(&call)?;
    let long = body.switch("longRetention");
    body.finish()?;
    let long = long.ok_or_else(|| FieldErrors::one("longRetention", "must be true or false"))?;
    let (long, job) = retention.set(&call.key.org, long).await?;
    Ok(Reply::ok(view::retention(long, job.as_ref())))
}
