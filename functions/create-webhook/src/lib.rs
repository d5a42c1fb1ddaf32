//! `POST /api/webhooks`: registers an endpoint, and shows its secret this once.

use api::{ApiError, Call, Endpoint, Reply, under, view};
use domain::access::Scope;
use domain::id::EndpointId;
use domain::network::PrivateNetworks;
use domain::ports::{Clock, Entropy, Vault, WebhookEndpoints};
use domain::webhook::NewEndpoint;
use nodes::{Egress, UrlError};

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint { name: "create-webhook", method: "POST", path: "/api/webhooks", scope: Scope::WebhooksManage };

/// The most bytes the body may have.
const MAX_BYTES: usize = 16 * 1024;

/// 201 with the webhook and its `secret`, which is kept encrypted. 400 with every problem at its field, among them a URL that the
/// egress guard would not let through; 422 if the organisation has as many as it may have.
pub async fn handle(
    table: &(impl WebhookEndpoints + PrivateNetworks),
    vault: &impl Vault,
    egress: Egress,
    (clock, entropy): (&impl Clock, &impl Entropy),
    call: Call,
) -> Result<Reply, ApiError> {
    let org = call.key.org;
    let body = call.json_object(MAX_BYTES)?;
    let judged = match body.get("url").and_then(|url| url.as_str()) {
        Some(url) => match egress.check_url(table, &org, url).await {
            Ok(_) => Ok(()),
            Err(UrlError::NotAllowed(why)) => Err(why),
            Err(UrlError::Port(error)) => return Err(error.into()),
        },
        None => Ok(()),
    };
    let new = NewEndpoint::parse(&body, |_| judged)?;
    let id = EndpointId::new(clock.now(), entropy.random());
    let (secret, sealed) = webhooks::create_secret(vault, &org, &id, [entropy.random(), entropy.random()]).await?;
    let endpoint = new.made(id, sealed, &call.key.actor.id);
    webhooks::update_endpoints(table, &org, |endpoints| endpoints.add(endpoint.clone())).await?;
    Ok(Reply::created(under("webhook", view::webhook_with_secret(&endpoint, &secret))))
}
