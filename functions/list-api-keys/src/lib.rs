//! `GET /api/api-keys`: the organisation's keys, newest first, without their secrets.

use api::{ApiError, Call, Endpoint, Paging, Reply, view};
use domain::access::Scope;
use domain::ports::{ApiKeys, Organisations};
use domain::problem::FieldErrors;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint { name: "list-api-keys", method: "GET", path: "/api/api-keys", scope: Scope::ApiManage };

/// 200 with a page of keys; those that are revoked or have expired stay in it.
pub async fn handle(ring: &(impl ApiKeys + Organisations), call: Call) -> Result<Reply, ApiError> {
    let mut errors = FieldErrors::new();
    let paging = Paging::of(&call, &format!("{} newest first", ENDPOINT.path), ring, &mut errors).await?;
    errors.into_result(())?;
    let page = ring.api_keys(&call.key.org, &paging.window).await?;
    paging.reply(&page, view::api_key).await
}
