//! `POST /api/webhooks`: registers a webhook endpoint and shows its secret once.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, named, view};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::id::{EndpointId, OrgId};
use domain::network::PrivateNetworks;
use domain::ports::{Clock, Entropy, PortError, Vault, WebhookEndpoints};
use domain::problem::FieldErrors;
use domain::webhook::{NewEndpoint, NewTarget};
use nodes::{Egress, UrlError};

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "create-webhook", method: "POST", path: "/api/webhooks", scope: Some(Scope::WebhooksManage), query: &[] };

/// The maximum size of the body, in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// Returns 201 with the webhook and, if its deliveries are signed, its `secret`, which is stored encrypted. `sends_mail` is whether the
/// deployment has an address that mails come from. Fails with 400 and every problem at its field, among them a URL that the egress policy
/// denies, and with 422 if the organisation has the maximum number of webhooks, or for the kind `email` if no mail can be sent.
pub async fn handle(
    table: &(impl WebhookEndpoints + PrivateNetworks),
    vault: &impl Vault,
    (egress, sends_mail): (Egress, bool),
    (clock, entropy): (&impl Clock, &impl Entropy),
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let org = request.caller.org;
    let body = request.json_object(MAX_BYTES)?;
    let judged = check_url(table, egress, &org, body.get("url").and_then(|url| url.as_str())).await?;
    let new = NewEndpoint::parse(&body, |_| judged)?;
    if matches!(new.target, NewTarget::Email(_)) && !sends_mail {
        return Err(without_mail().into());
    }
    let id = EndpointId::new(clock.now(), entropy.random());
    let (endpoint, secret) = webhooks::create_endpoint(vault, entropy, &org, id, new, &request.caller.actor.id).await?;
    webhooks::update_endpoints(table, &org, |endpoints| endpoints.add(endpoint.clone())).await?;
    let shown = secret.map_or_else(|| view::webhook(&endpoint), |secret| view::webhook_with_secret(&endpoint, &secret));
    Ok(ApiResponse::created(named("webhook", shown)))
}

fn without_mail() -> ApplicationError {
    let problem = "this deployment sends no mail: its operator has to set the parameter MailFrom to an address that is verified in SES";
    ApplicationError::Unprocessable { message: problem.to_owned(), fields: FieldErrors::one("kind", problem) }
}

/// Returns why the egress policy denies a URL, if it does. A missing URL is not denied here: the body is checked afterwards.
async fn check_url(
    networks: &impl PrivateNetworks,
    egress: Egress,
    org: &OrgId,
    url: Option<&str>,
) -> Result<Result<(), String>, PortError> {
    let Some(url) = url else { return Ok(Ok(())) };
    match egress.check_url(networks, org, url).await {
        Ok(_) => Ok(Ok(())),
        Err(UrlError::NotAllowed(reason)) => Ok(Err(reason)),
        Err(UrlError::Port(error)) => Err(error),
    }
}
