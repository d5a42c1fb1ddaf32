//! `GET /api/api-keys`: the organisation's keys, newest first, without their secrets.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, Paging, view};
use domain::access::Scope;
use domain::ports::{ApiKeys, Organisations};
use domain::problem::FieldErrors;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint {
    name: "list-api-keys",
    method: "GET",
    path: "/api/api-keys",
    scope: Some(Scope::ApiManage),
    query: &["limit", "page", "cursor"],
};

/// Returns 200 with a page of keys, with revoked and expired ones.
pub async fn handle(keys: &(impl ApiKeys + Organisations), request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let mut errors = FieldErrors::new();
    let paging = Paging::of(&request, &format!("{} newest first", ENDPOINT.path), keys, &mut errors).await?;
    errors.into_result(())?;
    let page = keys.api_keys(&request.caller.org, &paging.window).await?;
    paging.respond(&page, view::api_key).await
}
