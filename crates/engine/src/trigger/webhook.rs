//! Webhook triggers: their secrets, the check of a signature, and the run that a signed call starts.

use std::collections::{BTreeMap, BTreeSet};

use domain::access::{Actor, RecordedActor};
use domain::error::ApplicationError;
use domain::flow::{Flow, FlowStatus};
use domain::ports::{Clock, CommitError, Entropy, FlowName, Flows, PortError, Vault, WebhookTriggers, spec_of};
use domain::problem::FieldErrors;
use domain::run::Trigger;
use domain::secret::new_signing_secret;
use domain::signature;
use domain::trigger::{WebhookToken, WebhookTrigger};
use secrecy::SecretString;
use serde_json::Value;

use crate::start::{IdempotencyKey, NewRunRequest, Started};
use crate::{Engine, Ports};

/// How long a delivery id is remembered, in seconds: senders repeat a delivery for a day, some for two.
const REMEMBER_SECONDS: u64 = 3 * 24 * 3600;
/// The actor of runs that a webhook trigger starts. No key can have this name, because the actors of keys have no colon.
const ACTOR: &str = "trigger:webhook";
/// The secret that a call with an unknown token is checked against, so that it takes as long as any other call.
const UNUSED_SECRET: &str = "whsec_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// Creates, reads, rotates and checks the secrets of webhook triggers.
#[derive(Debug, Clone)]
pub struct WebhookTriggerSecrets<W, V, C> {
    /// The store of webhook triggers.
    pub triggers: W,
    /// The vault that encrypts the secrets.
    pub vault: V,
    /// The source of the time.
    pub clock: C,
}

impl<W: WebhookTriggers, V: Vault, C: Clock> WebhookTriggerSecrets<W, V, C> {
    /// Creates and stores the secret of the webhook trigger that `flow` is about to have under `token`. Until the flow itself names the
    /// token, no call with it is accepted.
    pub async fn create(&self, entropy: &impl Entropy, flow: &Flow, token: &WebhookToken) -> Result<SecretString, PortError> {
        let secret = new_signing_secret([entropy.random(), entropy.random()]);
        let sealed = self.vault.seal(&WebhookTrigger::place_of(flow.org, flow.id), &secret).await?;
        let webhook = WebhookTrigger {
            org: flow.org,
            flow: flow.id,
            secret: sealed,
            changed_by: flow.trigger_changed_by.clone(),
            previous: None,
            previous_changed_by: None,
        };
        match self.triggers.put_webhook(token, &webhook, None).await {
            Ok(()) => Ok(secret),
            // The random token is in use already. The caller may try again with another one; this one belongs to another flow.
            Err(CommitError::Changed) => Err(PortError::Unavailable(format!("the webhook token of {} is taken", flow.id))),
            Err(CommitError::Port(error)) => Err(error),
        }
    }

    /// Deletes a token that no flow names any more. No call with it is accepted anyway, so a failure is only logged.
    pub async fn delete(&self, flow: &Flow, token: &WebhookToken) {
        if let Err(error) = self.triggers.delete_webhook(token, self.clock.now()).await {
            tracing::warn!(flow = %flow.id, %error, "a webhook trigger that is no longer used was not deleted");
        }
    }

    /// Returns the current secret of the flow's webhook trigger; none if it has no webhook trigger.
    pub async fn secret(&self, flow: &Flow) -> Result<Option<SecretString>, PortError> {
        let Some(token) = flow.trigger.webhook_token() else { return Ok(None) };
        let Some(webhook) = self.stored(flow, token).await? else { return Ok(None) };
        self.vault.open(&webhook.place(), &webhook.secret).await.map(Some)
    }

    /// Gives the flow's webhook trigger a new secret, which `actor` gets to see. The previous secret stays valid for 24 hours.
    pub async fn rotate(&self, entropy: &impl Entropy, flow: &Flow, actor: &Actor) -> Result<SecretString, ApplicationError> {
        let Some(token) = flow.trigger.webhook_token() else {
            let message = format!("the flow has no webhook: its triggerType is {}", flow.trigger.kind());
            return Err(ApplicationError::Unprocessable { message, fields: FieldErrors::new() });
        };
        let before = self.stored(flow, token).await?.ok_or_else(changed)?;
        let secret = new_signing_secret([entropy.random(), entropy.random()]);
        let sealed = self.vault.seal(&before.place(), &secret).await?;
        match self.triggers.put_webhook(token, &before.rotated(sealed, actor.recorded(), self.clock.now()), Some(&before)).await {
            Ok(()) => Ok(secret),
            Err(CommitError::Changed) => Err(changed()),
            Err(CommitError::Port(error)) => Err(error.into()),
        }
    }

    /// Returns the stored trigger; none if the flow was read before it left this token.
    async fn stored(&self, flow: &Flow, token: &WebhookToken) -> Result<Option<WebhookTrigger>, PortError> {
        let webhook = self.triggers.webhook(token).await?;
        Ok(webhook.filter(|webhook| (webhook.org, webhook.flow) == (flow.org, flow.id)))
    }

    /// Returns the trigger of `token` if `signature` was made with one of its valid secrets, and the principals of whoever made that secret or
    /// the current one.
    async fn signed(
        &self,
        token: Option<&WebhookToken>,
        body: &[u8],
        signature: &str,
    ) -> Result<Option<(WebhookTrigger, BTreeSet<String>)>, PortError> {
        let found = match token {
            Some(token) => self.triggers.webhook(token).await?,
            None => None,
        };
        let Some(webhook) = found else {
            std::hint::black_box(signature::verify(&SecretString::from(UNUSED_SECRET), body, signature));
            return Ok(None);
        };
        let (mut is_signed, mut makers) =
            (false, webhook.changed_by.iter().flat_map(RecordedActor::all_principals).collect::<BTreeSet<_>>());
        for (sealed, maker) in webhook.valid_at(self.clock.now()) {
            if signature::verify(&self.vault.open(&webhook.place(), sealed).await?, body, signature) {
                is_signed = true;
                makers.extend(maker.iter().flat_map(|maker| maker.all_principals()));
            }
        }
        Ok(is_signed.then_some((webhook, makers)))
    }

    /// Returns the flow that a call starts, and the principals of whoever has last changed its trigger or its secret; none if no active flow has this token, or if the call is not signed with one of its valid
    /// secrets. The caller must not learn which of these it was.
    pub async fn flow_of_call(
        &self,
        flows: &impl Flows,
        token: Option<&WebhookToken>,
        body: &[u8],
        signature: &str,
    ) -> Result<Option<(Flow, BTreeSet<String>)>, PortError> {
        let Some((webhook, makers)) = self.signed(token, body, signature).await? else { return Ok(None) };
        let flow = flows.flow(&webhook.org, &FlowName::Id(webhook.flow)).await?;
        // A token counts only as long as the flow itself names it.
        let flow = flow.filter(|flow| flow.status == FlowStatus::Active && flow.trigger.webhook_token() == token);
        Ok(flow.map(|flow| (flow, makers)))
    }
}

fn changed() -> ApplicationError {
    ApplicationError::Conflict("the webhook was changed by somebody else at the same time; read the flow again".to_owned())
}

/// A signed call of a webhook trigger.
#[derive(Debug)]
pub struct TriggerDelivery<'a> {
    /// The flow that it starts.
    pub flow: &'a Flow,
    /// The principals of whoever has last changed its trigger or its secret.
    pub trigger_changers: BTreeSet<String>,
    /// The input of the run.
    pub input: Value,
    /// The delivery id that the sender gave it.
    pub id: Option<String>,
}

impl<P: Ports> Engine<P> {
    /// Creates a run for a delivery and starts it. A delivery id that was used before returns its run again, whatever the body is: a
    /// sender that repeats a delivery may write the same content in other bytes, or with another time of sending in it.
    pub async fn deliver(&self, entropy: &impl Entropy, delivery: TriggerDelivery<'_>) -> Result<Started, ApplicationError> {
        let TriggerDelivery { flow, trigger_changers, input, id } = delivery;
        let spec = spec_of(&self.flows, flow, flow.version).await?;
        let key = id.map(|key| IdempotencyKey {
            scope: format!("{}#deliveries", flow.id),
            key,
            body_sha256: String::new(),
            seconds: REMEMBER_SECONDS,
        });
        let starter = RecordedActor::named(ACTOR);
        let request = NewRunRequest {
            flow,
            version: flow.version,
            spec: &spec,
            trigger: Trigger::Webhook,
            starter,
            trigger_changers,
            retried: None,
            rounds: BTreeMap::new(),
            key,
        };
        self.create_and_start(entropy, request, &input).await
    }
}
