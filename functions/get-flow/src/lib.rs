//! `GET /api/flows/{id}`: a flow with its newest spec.

use api::{ApiError, Call, Endpoint, Reply, under, view};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::ports::{Clock, Flows, PortError, Vault, WebhookTriggers};
use engine::WebhookKeeper;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint { name: "get-flow", method: "GET", path: "/api/flows/{id}", scope: Scope::FlowsRead };

/// 200 with the flow, and with its `webhookSecret` if it has a webhook; `{id}` is an id or a slug.
pub async fn handle(
    flows: &impl Flows,
    keeper: &WebhookKeeper<impl WebhookTriggers, impl Vault, impl Clock>,
    call: Call,
) -> Result<Reply, ApiError> {
    let flow = flows.flow(&call.key.org, &call.flow_name()?).await?.ok_or(ApplicationError::NotFound("flow"))?;
    let version = flows.version(&flow.org, &flow.id, flow.version).await?;
    let version = version.ok_or_else(|| PortError::Corrupt(format!("{} has no version {}", flow.id, flow.version)))?;
    let secret = keeper.secret(&flow).await?;
    Ok(Reply::ok(under("flow", view::flow_with_spec(&flow, &version, secret.as_ref()))))
}
