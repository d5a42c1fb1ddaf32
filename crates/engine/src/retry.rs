//! Retries a run: starts a new run that takes over what the earlier one had finished.

use std::sync::Arc;

use domain::access::Actor;
use domain::error::ApplicationError;
use domain::flow::{NodeId, NodeKind, Spec};
use domain::id::{OrgId, RunId};
use domain::json::sha256_hex;
use domain::ports::{Clock, Entropy, Runs, spec_for, spec_of};
use domain::problem::FieldErrors;
use domain::run::{Reuse, Run};
use serde_json::json;

use crate::earlier_run::no_longer_kept;
use crate::run_context::value_of;
use crate::start::{IdempotencyKey, NewRunRequest, REMEMBER_SECONDS, Started};
use crate::{Engine, Ports};

/// The options of a retry.
#[derive(Debug, Clone, Default)]
pub struct RetryOptions {
    /// The node to begin with; none: the first one that did not succeed.
    pub from: Option<NodeId>,
    /// Whether to use the newest version of the flow instead of the version of the earlier run.
    pub on_latest_version: bool,
    /// The caller's Idempotency-Key.
    pub idempotency_key: Option<String>,
}

impl<P: Ports> Engine<P> {
    /// Starts a new run that repeats a failed or cancelled one. It has the same input, and does nothing again that the earlier run had
    /// finished. Fails with `Conflict` if the run neither failed nor was cancelled or if its outputs are no longer kept, with `Invalid` if
    /// the flow has no node `from`, and otherwise as [`start`](Self::start) does.
    pub async fn retry(
        &self,
        entropy: &impl Entropy,
        org: &OrgId,
        id: &RunId,
        actor: &Actor,
        options: RetryOptions,
    ) -> Result<Started, ApplicationError> {
        let earlier = self.run_of(org, id).await?;
        let retried = earlier.retried(options.from.clone())?;
        let flow = self.flow_of(&earlier).await?;
        let old = spec_for(&self.flows, &earlier).await?;
        let version = if options.on_latest_version { flow.version } else { earlier.flow_version };
        let spec = if version == earlier.flow_version { old.clone() } else { spec_of(&self.flows, &flow, version).await? };
        if let Some(from) = options.from.as_ref().filter(|from| from.is_internal() || spec.position(from).is_none()) {
            return Err(ApplicationError::Invalid(FieldErrors::one(
                "fromNodeId",
                format!("version {version} of the flow has no node `{from}`"),
            )));
        }
        let input = Arc::unwrap_or_clone(value_of(&self.runs, &self.runs.input(&earlier).await?).await?);
        self.must_be_kept(&earlier, &old, &spec, options.from.as_ref()).await?;
        let body = json!({"from": options.from.as_ref().map(NodeId::as_str), "latest": options.on_latest_version});
        let key = options.idempotency_key.map(|key| IdempotencyKey {
            scope: id.to_string(),
            key,
            body_sha256: sha256_hex(&body),
            seconds: REMEMBER_SECONDS,
        });
        let rounds = Reuse::of(&earlier, &old, &spec, options.from.as_ref()).rounds(&earlier, &spec);
        let request = NewRunRequest {
            flow: &flow,
            version,
            spec: &spec,
            trigger: earlier.trigger,
            starter: actor.recorded(),
            trigger_changers: earlier.trigger_changers,
            retried: Some(retried),
            rounds,
            key,
        };
        self.create_and_start(entropy, request, &input).await
    }

    /// Fails with `Conflict` if the outputs that would be taken over are gone. The records of a run expire together, so this reads only the
    /// first one; `advance` checks each one again when it takes it over.
    async fn must_be_kept(&self, earlier: &Run, old: &Spec, spec: &Spec, from: Option<&NodeId>) -> Result<(), ApplicationError> {
        let reuse = Reuse::of(earlier, old, spec, from);
        let first = spec.order().find(|ix| reuse.contains(*ix) && !matches!(spec.node(*ix).kind, NodeKind::Approval(_)));
        let Some(node) = first.map(|ix| &spec.node(ix).id) else { return Ok(()) };
        match self.runs.step(earlier, node, self.clock.now()).await? {
            Some(record) if record.purged.is_none() => Ok(()),
            _ => Err(ApplicationError::Conflict(no_longer_kept(node, &earlier.id))),
        }
    }
}
