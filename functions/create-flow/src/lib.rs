//! `POST /api/flows`: saves a new flow with its first version.

use api::{ApiError, Call, Endpoint, Reply, under, view};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::flow::{Draft, MAX_BODY_BYTES};
use domain::id::FlowId;
use domain::ports::{Clock, CommitError, Entropy, FlowName, Flows, Vault, WebhookTriggers};
use domain::trigger::WebhookToken;
use engine::WebhookKeeper;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint { name: "create-flow", method: "POST", path: "/api/flows", scope: Scope::FlowsWrite };

/// 201 with the flow, and with its `webhookSecret` if `triggerType` is `webhook`; 400 with every problem at its path; 409 if the slug
/// is taken.
pub async fn handle(
    flows: &impl Flows,
    keeper: &WebhookKeeper<impl WebhookTriggers, impl Vault, impl Clock>,
    entropy: &impl Entropy,
    call: Call,
) -> Result<Reply, ApiError> {
    let draft = Draft::parse_new(&call.json_object(MAX_BODY_BYTES)?)?;
    let now = keeper.clock.now();
    let fresh = WebhookToken::new([entropy.random(), entropy.random()]);
    let (flow, version) = draft.into_flow(FlowId::new(now, entropy.random()), call.key.org, fresh, now)?;
    let token = flow.trigger.webhook_token();
    let secret = match token {
        Some(token) => Some(keeper.prepare(entropy, &flow, token).await?),
        None => None,
    };
    let is_there = match flows.create_flow(&flow, &version).await {
        Ok(()) => true,
        // The slug is taken, unless it is by this very flow: it was written twice, and the first answer was lost.
        Err(CommitError::Changed) => flows.flow(&flow.org, &FlowName::Id(flow.id)).await?.is_some(),
        Err(CommitError::Port(error)) => return Err(error.into()),
    };
    if is_there {
        return Ok(Reply::created(under("flow", view::flow_with_spec(&flow, &version, secret.as_ref()))));
    }
    if let Some(token) = token {
        keeper.forget(&flow, token).await;
    }
    Err(ApplicationError::Conflict(format!("there is a flow with the slug `{}` already", flow.slug)).into())
}
