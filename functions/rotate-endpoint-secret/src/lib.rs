//! `POST /api/webhooks/{id}/rotate-secret`: gives a webhook another secret, and shows it this once.

use api::{ApiError, Call, Endpoint, Reply, under, view};
use domain::access::Scope;
use domain::ports::{Clock, Entropy, Vault, WebhookEndpoints};

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "rotate-endpoint-secret", method: "POST", path: "/api/webhooks/{id}/rotate-secret", scope: Scope::WebhooksManage };

/// 200 with the webhook and its new `secret`. Every attempt that begins after the answer is signed with it, those of older events too.
pub async fn handle(
    table: &impl WebhookEndpoints,
    vault: &impl Vault,
    clock: &impl Clock,
    entropy: &impl Entropy,
    call: Call,
) -> Result<Reply, ApiError> {
    let (org, id) = (call.key.org, call.webhook_id()?);
    // Whoever names none that is there learns so before KMS is asked.
    table.endpoints(&org).await?.get(&id)?;
    let (secret, sealed) = webhooks::create_secret(vault, &org, &id, [entropy.random(), entropy.random()]).await?;
    let now = clock.now();
    let endpoint = webhooks::update_endpoints(table, &org, |endpoints| endpoints.rotate(&id, sealed.clone(), now)).await?;
    Ok(Reply::ok(under("webhook", view::webhook_with_secret(&endpoint, &secret))))
}
