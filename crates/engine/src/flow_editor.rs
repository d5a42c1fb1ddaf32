//! Creates and changes flows, together with the secrets of their webhook triggers.

use domain::error::ApplicationError;
use domain::flow::{Draft, Flow, Version};
use domain::id::{FlowId, OrgId};
use domain::ports::{
    ApiKeys, Clock, CommitError, ConnectionBook, Entropy, FlowName, Flows, Vault, WebhookTriggers, latest_version, optimistic_update,
};
use domain::problem::FieldErrors;
use domain::trigger::WebhookToken;
use secrecy::SecretString;

use crate::{WebhookTriggerSecrets, flow_dependencies};

/// Creates, reads and changes flows.
#[derive(Debug, Clone)]
pub struct FlowEditor<F, W, V, C> {
    /// The store of flows and their versions. To save flows, it has the connections and the API keys of organisations too.
    pub flows: F,
    /// The secrets of webhook triggers.
    pub secrets: WebhookTriggerSecrets<W, V, C>,
}

/// A flow as it is shown to a caller who may change it.
#[derive(Debug)]
pub struct EditedFlow {
    /// The flow.
    pub flow: Flow,
    /// Its newest version.
    pub version: Version,
    /// The secret of its webhook trigger, if this operation may show one.
    pub secret: Option<SecretString>,
    /// What may make some runs of the saved flow fail, each at its path.
    pub warnings: FieldErrors,
}

impl<F: Flows + ConnectionBook + ApiKeys, W: WebhookTriggers, V: Vault, C: Clock> FlowEditor<F, W, V, C> {
    /// Creates a flow with its first version. Fails with `Invalid` if the draft is not valid, and with `Conflict` if the slug is taken.
    pub async fn create(&self, entropy: &impl Entropy, org: OrgId, draft: Draft) -> Result<EditedFlow, ApplicationError> {
        let now = self.secrets.clock.now();
        let id = FlowId::new(now, entropy.random());
        let warnings = self.warnings(&org, &draft).await?;
        let (flow, version) = draft.into_flow(id, org, new_token(entropy), now).map_err(ApplicationError::Invalid)?;
        let token = flow.trigger.webhook_token();
        let secret = match token {
            Some(token) => Some(self.secrets.create(entropy, &flow, token).await?),
            None => None,
        };
        let is_there = match self.flows.create_flow(&flow, &version).await {
            Ok(()) => true,
            // The slug is taken. It is taken by this very flow if the write was sent twice, because its first answer was lost.
            Err(CommitError::Changed) => self.flows.flow(&flow.org, &FlowName::Id(flow.id)).await?.is_some(),
            Err(CommitError::Port(error)) => return Err(error.into()),
        };
        if is_there {
            return Ok(EditedFlow { flow, version, secret, warnings });
        }
        if let Some(token) = token {
            self.secrets.delete(&flow, token).await;
        }
        Err(slug_is_taken(&flow))
    }

    /// Validates a new flow and saves nothing: the result is what [`create`](Self::create) would return, without a secret. Fails as `create`
    /// does. The id and the token are not those of a later `create`.
    pub async fn check_create(&self, entropy: &impl Entropy, org: OrgId, draft: Draft) -> Result<EditedFlow, ApplicationError> {
        let now = self.secrets.clock.now();
        let id = FlowId::new(now, entropy.random());
        let warnings = self.warnings(&org, &draft).await?;
        let (flow, version) = draft.into_flow(id, org, new_token(entropy), now).map_err(ApplicationError::Invalid)?;
        match self.flows.flow(&org, &FlowName::Slug(flow.slug.clone())).await? {
            Some(_) => Err(slug_is_taken(&flow)),
            None => Ok(EditedFlow { flow, version, secret: None, warnings }),
        }
    }

    /// Validates changes of a flow and saves nothing: the result is what [`update`](Self::update) would return, without a secret. Fails as
    /// `update` does.
    pub async fn check_update(
        &self,
        entropy: &impl Entropy,
        org: &OrgId,
        name: &FlowName,
        draft: Draft,
    ) -> Result<EditedFlow, ApplicationError> {
        let (before, current) = self.load(org, name).await?;
        let warnings = self.warnings(org, &draft).await?;
        let changed = draft.applied_to(&before, &current, new_token(entropy), self.secrets.clock.now());
        let (flow, version) = changed.map_err(ApplicationError::Invalid)?;
        Ok(EditedFlow { flow, version: version.unwrap_or(current), secret: None, warnings })
    }

    /// Applies a draft of changes to a flow. A changed spec becomes a new version. The secret is returned only if this call has created
    /// it. Fails with `Conflict` if another editor changes the flow at the same time.
    pub async fn update(
        &self,
        entropy: &impl Entropy,
        org: &OrgId,
        name: &FlowName,
        draft: &Draft,
    ) -> Result<EditedFlow, ApplicationError> {
        // The token that the flow gets if it becomes a webhook trigger, and its secret as soon as it is stored.
        let token = new_token(entropy);
        let warnings = self.warnings(org, draft).await?;
        let mut secret = None;
        let mut seen: Option<Flow> = None;
        let updated = optimistic_update("the flow", async || {
            let (before, current) = self.load(org, name).await?;
            if before.trigger.webhook_token() == Some(&token) {
                // The write of the previous try took place, and its answer was lost.
                return Ok((before, current));
            }
            // A schedule may move the flow on between two tries. An edit by another caller is a conflict.
            if seen.as_ref().is_some_and(|seen| (seen.version, seen.updated_at) != (before.version, before.updated_at)) {
                if secret.is_some() {
                    self.secrets.delete(&before, &token).await;
                }
                let message = "the flow was changed by somebody else at the same time; read it again".to_owned();
                return Err(ApplicationError::Conflict(message).into());
            }
            let changed = draft.clone().applied_to(&before, &current, token.clone(), self.secrets.clock.now());
            let (flow, version) = changed.map_err(ApplicationError::Invalid)?;
            let (old, new) = (before.trigger.webhook_token(), flow.trigger.webhook_token());
            if new == Some(&token) && secret.is_none() {
                secret = Some(self.secrets.create(entropy, &flow, &token).await?);
            }
            let written = self.flows.update_flow(&before, &flow, version.as_ref()).await;
            let old = old.filter(|old| new != Some(*old)).cloned();
            seen = Some(before);
            written?;
            if let Some(old) = old {
                self.secrets.delete(&flow, &old).await;
            }
            Ok((flow, version.unwrap_or(current)))
        });
        let (flow, version) = updated.await?;
        Ok(EditedFlow { flow, version, secret, warnings })
    }

    /// Returns the warnings of a draft: those of its spec, and what the organisation does not have yet.
    async fn warnings(&self, org: &OrgId, draft: &Draft) -> Result<FieldErrors, ApplicationError> {
        let mut warnings = draft.warnings().clone();
        warnings.extend(flow_dependencies::warnings(&self.flows, org, draft.dependencies(), self.secrets.clock.now()).await?);
        Ok(warnings)
    }
}

impl<F: Flows, W: WebhookTriggers, V: Vault, C: Clock> FlowEditor<F, W, V, C> {
    /// Returns a flow with its newest version, and with the secret of its webhook trigger if it has one.
    pub async fn read(&self, org: &OrgId, name: &FlowName) -> Result<EditedFlow, ApplicationError> {
        let (flow, version) = self.load(org, name).await?;
        let secret = self.secrets.secret(&flow).await?;
        Ok(EditedFlow { flow, version, secret, warnings: FieldErrors::new() })
    }

    /// Gives the flow's webhook trigger a new secret. Fails as [`WebhookTriggerSecrets::rotate`] does.
    pub async fn rotate_secret(&self, entropy: &impl Entropy, org: &OrgId, name: &FlowName) -> Result<EditedFlow, ApplicationError> {
        let (flow, version) = self.load(org, name).await?;
        let secret = Some(self.secrets.rotate(entropy, &flow).await?);
        Ok(EditedFlow { flow, version, secret, warnings: FieldErrors::new() })
    }

    async fn load(&self, org: &OrgId, name: &FlowName) -> Result<(Flow, Version), ApplicationError> {
        let flow = self.flows.flow(org, name).await?.ok_or(ApplicationError::NotFound("flow"))?;
        let version = latest_version(&self.flows, &flow).await?;
        Ok((flow, version))
    }
}

fn slug_is_taken(flow: &Flow) -> ApplicationError {
    ApplicationError::Conflict(format!("there is a flow with the slug `{}` already", flow.slug))
}

fn new_token(entropy: &impl Entropy) -> WebhookToken {
    WebhookToken::new([entropy.random(), entropy.random()])
}
