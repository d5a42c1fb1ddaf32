//! `POST /api/webhooks/{id}/rotate-secret`: gives a webhook endpoint a new secret and shows it once.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, named, view};
use domain::access::Scope;
use domain::ports::{Clock, Entropy, Vault, WebhookEndpoints};

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint {
    name: "rotate-endpoint-secret",
    method: "POST",
    path: "/api/webhooks/{id}/rotate-secret",
    scope: Some(Scope::WebhooksManage),
    query: &[],
};

/// Returns 200 with the webhook and its new `secret`. Every attempt that begins after the response is signed with it, also for older
/// events. Fails with 422 if the deliveries of the webhook are not signed.
pub async fn handle(
    table: &impl WebhookEndpoints,
    vault: &impl Vault,
    clock: &impl Clock,
    entropy: &impl Entropy,
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let (org, id) = (request.caller.org, request.webhook_id()?);
    // An unknown id, and a kind without a secret, fail before KMS is called.
    table.endpoints(&org).await?.get(&id)?.target.require_secret()?;
    let (secret, sealed) = webhooks::create_secret(vault, &org, &id, [entropy.random(), entropy.random()]).await?;
    let now = clock.now();
    let endpoint = webhooks::update_endpoints(table, &org, |endpoints| endpoints.rotate(&id, sealed.clone(), now)).await?;
    Ok(ApiResponse::ok(named("webhook", view::webhook_with_secret(&endpoint, &secret))))
}
