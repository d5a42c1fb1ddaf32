//! `GET /api/webhooks/{id}/deliveries`: the deliveries to a webhook endpoint in the last 30 days, and its responses.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, Paging, view};
use domain::access::Scope;
use domain::ports::{Clock, Deliveries, Organisations, WebhookEndpoints};
use domain::problem::FieldErrors;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint {
    name: "list-deliveries",
    method: "GET",
    path: "/api/webhooks/{id}/deliveries",
    scope: Some(Scope::WebhooksManage),
    query: &["limit", "page", "cursor"],
};

/// Returns 200 with a page of deliveries, the newest event first: the state of each, the result of the last attempt, and the time of the
/// next one.
pub async fn handle(
    table: &(impl WebhookEndpoints + Deliveries + Organisations),
    clock: &impl Clock,
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let (org, id) = (request.caller.org, request.webhook_id()?);
    table.endpoints(&org).await?.get(&id)?;
    let mut errors = FieldErrors::new();
    let paging = Paging::of(&request, &format!("deliveries to {id} newest first"), table, &mut errors).await?;
    errors.into_result(())?;
    let page = table.deliveries(&org, &id, &paging.window, clock.now()).await?;
    paging.respond(&page, view::delivery).await
}
