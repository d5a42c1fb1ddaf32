//! `GET /api/webhooks/{id}/deliveries`: what a webhook was sent in the last 30 days, and what it answered.

use api::{ApiError, Call, Endpoint, Paging, Reply, view};
use domain::access::Scope;
use domain::ports::{Clock, Deliveries, Organisations, WebhookEndpoints};
use domain::problem::FieldErrors;

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "list-deliveries", method: "GET", path: "/api/webhooks/{id}/deliveries", scope: Scope::WebhooksManage };

/// 200 with a page of deliveries, the newest event first: where each stands, how the last attempt went, when the next one is due.
pub async fn handle(
    table: &(impl WebhookEndpoints + Deliveries + Organisations),
    clock: &impl Clock,
    call: Call,
) -> Result<Reply, ApiError> {
    let (org, id) = (call.key.org, call.webhook_id()?);
    table.endpoints(&org).await?.get(&id)?;
    let mut errors = FieldErrors::new();
    let paging = Paging::of(&call, &format!("deliveries to {id} newest first"), table, &mut errors).await?;
    errors.into_result(())?;
    let page = table.deliveries(&org, &id, &paging.window, clock.now()).await?;
    paging.reply(&page, view::delivery).await
}
