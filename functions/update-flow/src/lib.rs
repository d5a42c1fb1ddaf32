//! `PATCH /api/flows/{id}`: changes what is sent and leaves the rest; a changed spec is a new version.

use api::{Call, Endpoint, Refused, Reply, under, view};
use domain::access::Scope;
use domain::fault::Fault;
use domain::flow::{Draft, Flow, MAX_BODY_BYTES};
use domain::ports::{Clock, CommitError, Entropy, Flows, PortError, Vault, Webhooks};
use domain::webhook::WebhookToken;
use engine::WebhookKeeper;

/// This endpoint. PUT does the same, for clients that cannot PATCH.
pub const ENDPOINT: Endpoint = Endpoint { name: "update-flow", method: "PATCH", path: "/api/flows/{id}", scope: Scope::FlowsWrite };

/// How often a change is made anew because the clock has started the flow meanwhile, which it does once a minute at most.
const TRIES: usize = 3;

/// 200 with the flow as it is now, and with its `webhookSecret` if it has become a webhook; runs that are under way stay on the version
/// they began with.
pub async fn handle(
    flows: &impl Flows,
    keeper: &WebhookKeeper<impl Webhooks, impl Vault, impl Clock>,
    entropy: &impl Entropy,
    call: Call,
) -> Result<Reply, Refused> {
    let draft = Draft::parse_changes(&call.json_object(MAX_BODY_BYTES)?)?;
    let name = call.flow_name()?;
    let mut seen: Option<Flow> = None;
    for _ in 0..TRIES {
        let before = flows.flow(&call.key.org, &name).await?.ok_or(Fault::NotFound("flow"))?;
        // The clock has moved it on, or somebody else has edited it, and has not seen this change.
        if seen.as_ref().is_some_and(|seen| (seen.version, seen.updated_at) != (before.version, before.updated_at)) {
            break;
        }
        let current = flows.version(&before.org, &before.id, before.version).await?;
        let current = current.ok_or_else(|| PortError::Corrupt(format!("{} has no version {}", before.id, before.version)))?;
        let fresh = WebhookToken::new([entropy.random(), entropy.random()]);
        let (flow, version) = draft.clone().applied_to(&before, &current, fresh, keeper.clock.now())?;
        let (old, new) = (before.trigger.webhook_token(), flow.trigger.webhook_token());
        let token = new.filter(|new| old != Some(*new));
        let secret = match token {
            Some(token) => Some(keeper.prepare(entropy, &flow, token).await?),
            None => None,
        };
        match flows.update_flow(&before, &flow, version.as_ref()).await {
            Ok(()) => {
                if let Some(old) = old.filter(|old| new != Some(*old)) {
                    keeper.forget(&flow, old).await;
                }
                let view = view::flow_with_spec(&flow, version.as_ref().unwrap_or(&current), secret.as_ref());
                return Ok(Reply::ok(under("flow", view)));
            }
            Err(CommitError::Changed) => {
                if let Some(token) = token {
                    keeper.forget(&flow, token).await;
                }
            }
            Err(CommitError::Port(error)) => return Err(error.into()),
        }
        seen = Some(before);
    }
    Err(Fault::Conflict("the flow was changed by somebody else at the same time; read it again".to_owned()).into())
}
