//! Webhooks of flows: their secrets, who has signed a call, and the run that it starts.

use std::collections::BTreeSet;

use domain::access::Actor;
use domain::error::ApplicationError;
use domain::flow::{Flow, FlowStatus};
use domain::ports::{Clock, CommitError, Entropy, Executions, FlowName, Flows, PortError, Runs, Vault, WebhookTriggers};
use domain::problem::FieldErrors;
use domain::run::Trigger;
use domain::secret::new_signing_secret;
use domain::signature;
use domain::trigger::{WebhookToken, WebhookTrigger};
use secrecy::SecretString;
use serde_json::Value;

use crate::Engine;
use crate::start::{Beginning, CallKey, Started};

/// How long a delivery is remembered, in seconds: senders repeat one for a day, some for two.
const REMEMBER_SECONDS: u64 = 3 * 24 * 3600;
/// Who starts the runs of a webhook. No key can have this name: those of actors have no colon.
const ACTOR: &str = "trigger:webhook";
/// What a call is measured against whose token nobody has, so that it takes as long as any other.
const NOBODYS_SECRET: &str = "whsec_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// Keeps the secrets of webhooks.
#[derive(Debug, Clone)]
pub struct WebhookKeeper<W, V, C> {
    /// Where they are kept.
    pub webhooks: W,
    /// What seals them.
    pub vault: V,
    /// The time.
    pub clock: C,
}

impl<W: WebhookTriggers, V: Vault, C: Clock> WebhookKeeper<W, V, C> {
    /// Makes the secret of a webhook that `flow` is about to have under `token`, and keeps it. Until the flow itself names the token
    /// it opens nothing.
    pub async fn prepare(&self, entropy: &impl Entropy, flow: &Flow, token: &WebhookToken) -> Result<SecretString, PortError> {
        let secret = new_signing_secret([entropy.random(), entropy.random()]);
        let sealed = self.vault.seal(&WebhookTrigger::place_of(flow.org, flow.id), &secret).await?;
        let webhook = WebhookTrigger { org: flow.org, flow: flow.id, secret: sealed, previous: None };
        match self.webhooks.put_webhook(token, &webhook, None).await {
            Ok(()) => Ok(secret),
            // Random numbers have repeated themselves. The next ones will do; those of another flow must not.
            Err(CommitError::Changed) => Err(PortError::Unavailable(format!("the webhook token of {} is taken", flow.id))),
            Err(CommitError::Port(error)) => Err(error),
        }
    }

    /// A token that no flow names any more goes. It opens nothing as it is, so if this fails it stays.
    pub async fn forget(&self, flow: &Flow, token: &WebhookToken) {
        if let Err(error) = self.webhooks.delete_webhook(token, self.clock.now()).await {
            tracing::warn!(flow = %flow.id, %error, "a webhook that is no longer used was not deleted");
        }
    }

    /// The secret that calls of the flow's webhook are to be signed with; none if it has no webhook.
    pub async fn secret(&self, flow: &Flow) -> Result<Option<SecretString>, PortError> {
        let Some(token) = flow.trigger.webhook_token() else { return Ok(None) };
        let Some(webhook) = self.kept(flow, token).await? else { return Ok(None) };
        self.vault.open(&webhook.place(), &webhook.secret).await.map(Some)
    }

    /// Gives the flow's webhook a new secret. The one before is good for a day more.
    pub async fn rotate(&self, entropy: &impl Entropy, flow: &Flow) -> Result<SecretString, ApplicationError> {
        let Some(token) = flow.trigger.webhook_token() else {
            let message = format!("the flow has no webhook: its triggerType is {}", flow.trigger.kind());
            return Err(ApplicationError::Unprocessable { message, fields: FieldErrors::new() });
        };
        let before = self.kept(flow, token).await?.ok_or_else(changed)?;
        let secret = new_signing_secret([entropy.random(), entropy.random()]);
        let sealed = self.vault.seal(&before.place(), &secret).await?;
        match self.webhooks.put_webhook(token, &before.rotated(sealed, self.clock.now()), Some(&before)).await {
            Ok(()) => Ok(secret),
            Err(CommitError::Changed) => Err(changed()),
            Err(CommitError::Port(error)) => Err(error.into()),
        }
    }

    /// None: the flow was read before it left its webhook.
    async fn kept(&self, flow: &Flow, token: &WebhookToken) -> Result<Option<WebhookTrigger>, PortError> {
        let webhook = self.webhooks.webhook(token).await?;
        Ok(webhook.filter(|webhook| (webhook.org, webhook.flow) == (flow.org, flow.id)))
    }

    /// The webhook under `token`, if `signature` proves that the caller knows a secret of it that is good.
    async fn signed(&self, token: Option<&WebhookToken>, body: &[u8], signature: &str) -> Result<Option<WebhookTrigger>, PortError> {
        let found = match token {
            Some(token) => self.webhooks.webhook(token).await?,
            None => None,
        };
        let Some(webhook) = found else {
            std::hint::black_box(signature::verify(&SecretString::from(NOBODYS_SECRET), body, signature));
            return Ok(None);
        };
        let mut is_signed = false;
        for sealed in webhook.valid_at(self.clock.now()) {
            is_signed |= signature::verify(&self.vault.open(&webhook.place(), sealed).await?, body, signature);
        }
        Ok(is_signed.then_some(webhook))
    }

    /// The flow that a call of a webhook starts. None: no flow that runs has this token, or the call is not signed with a secret of it;
    /// which of these stays inside.
    pub async fn flow_of_call(
        &self,
        flows: &impl Flows,
        token: Option<&WebhookToken>,
        body: &[u8],
        signature: &str,
    ) -> Result<Option<Flow>, PortError> {
        let Some(webhook) = self.signed(token, body, signature).await? else { return Ok(None) };
        let flow = flows.flow(&webhook.org, &FlowName::Id(webhook.flow)).await?;
        // The flow has the last word on what its token is.
        Ok(flow.filter(|flow| flow.status == FlowStatus::Active && flow.trigger.webhook_token() == token))
    }
}

fn changed() -> ApplicationError {
    ApplicationError::Conflict("the webhook was changed by somebody else at the same time; read the flow again".to_owned())
}

/// A signed call of a webhook.
#[derive(Debug)]
pub struct TriggerDelivery<'a> {
    /// The flow that it starts.
    pub flow: &'a Flow,
    /// The input.
    pub input: Value,
    /// The name that its sender gave it.
    pub id: Option<String>,
}

impl<R: Runs, F: Flows, S: Executions, C: Clock> Engine<R, F, S, C> {
    /// Creates a run for a delivery and starts it; a delivery that was here before gives its run again, whatever its body: a sender
    /// that repeats one may write the same thing in other bytes, or with another time of sending in it.
    pub async fn deliver(&self, entropy: &impl Entropy, delivery: TriggerDelivery<'_>) -> Result<Started, ApplicationError> {
        let TriggerDelivery { flow, input, id } = delivery;
        let spec = self.spec_of(flow, flow.version).await?;
        let key =
            id.map(|key| CallKey { scope: format!("{}#deliveries", flow.id), key, body_sha256: String::new(), seconds: REMEMBER_SECONDS });
        let actor = Actor { id: ACTOR.to_owned(), roles: BTreeSet::new(), teams: BTreeSet::new() };
        let beginning =
            Beginning { flow, version: flow.version, spec: &spec, trigger: Trigger::Webhook, actor: &actor, retried: None, key };
        self.begin(entropy, beginning, &input).await
    }
}
