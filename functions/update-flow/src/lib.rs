//! `PATCH /api/flows/{id}`: changes what is sent and leaves the rest; a changed spec is a new version.

use api::{ApiError, Call, Endpoint, Reply, under, view};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::flow::{Draft, Flow, MAX_BODY_BYTES};
use domain::ports::{Clock, CommitError, Entropy, Flows, PortError, Vault, WebhookTriggers};
use domain::trigger::WebhookToken;
use engine::WebhookKeeper;

/// This endpoint. PUT does the same, for clients that cannot PATCH.
pub const ENDPOINT: Endpoint = Endpoint { name: "update-flow", method: "PATCH", path: "/api/flows/{id}", scope: Scope::FlowsWrite };

/// How often a change is made anew because the clock has started the flow meanwhile, which it does once a minute at most.
const TRIES: usize = 3;

/// 200 with the flow as it is now, and with its `webhookSecret` if it has become a webhook; runs that are under way stay on the version
/// they began with.
pub async fn handle(
    flows: &impl Flows,
    keeper: &WebhookKeeper<impl WebhookTriggers, impl Vault, impl Clock>,
    entropy: &impl Entropy,
    call: Call,
) -> Result<Reply, ApiError> {
    let draft = Draft::parse_changes(&call.json_object(MAX_BODY_BYTES)?)?;
    let name = call.flow_name()?;
    // The token if the flow becomes a webhook, and the secret once that is so.
    let fresh = WebhookToken::new([entropy.random(), entropy.random()]);
    let mut secret = None;
    let mut seen: Option<Flow> = None;
    for _ in 0..TRIES {
        let before = flows.flow(&call.key.org, &name).await?.ok_or(ApplicationError::NotFound("flow"))?;
        let current = flows.version(&before.org, &before.id, before.version).await?;
        let current = current.ok_or_else(|| PortError::Corrupt(format!("{} has no version {}", before.id, before.version)))?;
        if before.trigger.webhook_token() == Some(&fresh) {
            // The try before was written, and its answer lost.
            return Ok(Reply::ok(under("flow", view::flow_with_spec(&before, &current, secret.as_ref()))));
        }
        // It is the clock that has moved the flow on, or else somebody who has edited it, and has not seen this change.
        if let Some(seen) = seen
            && (seen.version, seen.updated_at) != (before.version, before.updated_at)
        {
            if secret.is_some() {
                keeper.forget(&before, &fresh).await;
            }
            break;
        }
        let (flow, version) = draft.clone().applied_to(&before, &current, fresh.clone(), keeper.clock.now())?;
        let (old, new) = (before.trigger.webhook_token(), flow.trigger.webhook_token());
        if new == Some(&fresh) && secret.is_none() {
            secret = Some(keeper.prepare(entropy, &flow, &fresh).await?);
        }
        match flows.update_flow(&before, &flow, version.as_ref()).await {
            Ok(()) => {
                if let Some(old) = old.filter(|old| new != Some(*old)) {
                    keeper.forget(&flow, old).await;
                }
                let view = view::flow_with_spec(&flow, version.as_ref().unwrap_or(&current), secret.as_ref());
                return Ok(Reply::ok(under("flow", view)));
            }
            Err(CommitError::Changed) => seen = Some(before),
            Err(CommitError::Port(error)) => return Err(error.into()),
        }
    }
    Err(ApplicationError::Conflict("the flow was changed by somebody else at the same time; read it again".to_owned()).into())
}
