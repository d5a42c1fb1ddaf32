//! Creates runs and starts their first segments.

use std::collections::{BTreeMap, BTreeSet};

use domain::access::{Actor, RecordedActor};
use domain::error::ApplicationError;
use domain::flow::{Flow, FlowStatus, NodeId, Spec};
use domain::id::RunId;
use domain::json::sha256_hex;
use domain::ports::{Clock, CommitError, Entropy, Executions, Idempotency, PortError, Runs, spec_of};
use domain::problem::FieldErrors;
use domain::run::{NewRun, Retried, Run, Trigger};
use domain::time::Time;
use exact_json::normal;
use serde_json::Value;

use crate::{Engine, Ports};

/// How long an Idempotency-Key of a caller is remembered, in seconds.
pub(crate) const REMEMBER_SECONDS: u64 = 24 * 3600;

/// The request to start a run.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The flow, as its head is now.
    pub flow: &'a Flow,
    /// The kind of trigger.
    pub trigger: Trigger,
    /// The actor that starts the run.
    pub actor: &'a Actor,
    /// The input.
    pub input: Value,
    /// The caller's Idempotency-Key.
    pub idempotency_key: Option<String>,
}

/// A run that was started by this call, or earlier by another call with the same key.
#[derive(Debug, Clone, PartialEq)]
pub struct Started {
    /// The run.
    pub run: Run,
    /// Whether an earlier call started it.
    pub repeated: bool,
}

/// An Idempotency-Key with what it stands for.
pub(crate) struct IdempotencyKey {
    /// The resource that the call is about; the same key may be used for another one.
    pub(crate) scope: String,
    pub(crate) key: String,
    /// SHA-256 of the body, in which 1.0 is 1. The same key with another hash is refused.
    pub(crate) body_sha256: String,
    /// How long the key is remembered, in seconds.
    pub(crate) seconds: u64,
}

impl IdempotencyKey {
    fn of_run(self, flow: &Flow, run: RunId, now: Time) -> Idempotency {
        let Self { scope, key, body_sha256, seconds } = self;
        Idempotency { org: flow.org, scope, key, body_sha256, run, forget_at: now.plus_seconds(seconds) }
    }
}

/// A run that is about to be created.
pub(crate) struct NewRunRequest<'a> {
    pub(crate) flow: &'a Flow,
    pub(crate) version: u32,
    pub(crate) spec: &'a Spec,
    pub(crate) trigger: Trigger,
    pub(crate) starter: RecordedActor,
    /// The principals of whoever has last changed the trigger that starts the run, or its secret.
    pub(crate) trigger_changers: BTreeSet<String>,
    pub(crate) retried: Option<Retried>,
    /// The rounds in which nodes begin that do not begin in their first.
    pub(crate) rounds: BTreeMap<NodeId, u32>,
    /// The caller's Idempotency-Key.
    pub(crate) key: Option<IdempotencyKey>,
}

impl<P: Ports> Engine<P> {
    /// Creates a run of the flow's newest version and starts its first segment. Fails with `Unprocessable` if the flow is not active, and
    /// with `Conflict` if the Idempotency-Key was used with another body.
    pub async fn start(&self, entropy: &impl Entropy, launch: Launch<'_>) -> Result<Started, ApplicationError> {
        let Launch { flow, trigger, actor, input, idempotency_key } = launch;
        let spec = spec_of(&self.flows, flow, flow.version).await?;
        let key = idempotency_key.map(|key| IdempotencyKey {
            scope: flow.id.to_string(),
            key,
            body_sha256: sha256_hex(&normal(&input)),
            seconds: REMEMBER_SECONDS,
        });
        let request = NewRunRequest {
            flow,
            version: flow.version,
            spec: &spec,
            trigger,
            starter: actor.recorded(),
            trigger_changers: BTreeSet::new(),
            retried: None,
            rounds: BTreeMap::new(),
            key,
        };
        self.create_and_start(entropy, request, &input).await
    }

    /// Creates a run, once for each Idempotency-Key, and starts its first segment.
    pub(crate) async fn create_and_start(
        &self,
        entropy: &impl Entropy,
        request: NewRunRequest<'_>,
        input: &Value,
    ) -> Result<Started, ApplicationError> {
        let NewRunRequest { flow, version, spec, trigger, starter, trigger_changers, retried, rounds, key } = request;
        if flow.status != FlowStatus::Active {
            let message = format!("the flow is {}; only an active flow runs", flow.status);
            return Err(ApplicationError::Unprocessable { message, fields: FieldErrors::new() });
        }
        let now = self.clock.now();
        let id = RunId::fresh(now, entropy.random());
        let key = key.map(|key| key.of_run(flow, id, now));
        if let Some(key) = &key
            && let Some(known) = self.remembered(key).await?
        {
            return Ok(known);
        }
        let new = NewRun {
            id,
            org: flow.org,
            flow: flow.id,
            flow_slug: flow.slug.clone(),
            flow_label: Some(flow.label()),
            flow_version: version,
            trigger,
            started_by: starter,
            trigger_changers,
            retried,
            trace_id: new_trace_id(entropy),
        };
        let run = Run { rounds, ..Run::new(new, spec, now) };
        match (self.runs.create(&run, input, key.as_ref()).await, &key) {
            // Without a key a refusal can only mean that this very write was sent twice, because its first answer was lost.
            (Ok(()), _) | (Err(CommitError::Changed), None) => {}
            (Err(CommitError::Port(error)), _) => return Err(error.into()),
            // Another call with the same key at the same time was faster.
            (Err(CommitError::Changed), Some(key)) => {
                return self
                    .remembered(key)
                    .await?
                    .ok_or_else(|| ApplicationError::Conflict("the Idempotency-Key is in use; try again".to_owned()));
            }
        }
        // The run is safe if this fails: its first segment is a pending effect, which `reconcile` dispatches.
        if let Err(error) = self.executions.start(&run, now).await {
            tracing::warn!(run = %run.id, trace = run.trace_id, %error, "the first segment was not started; it is pending");
        }
        Ok(Started { run, repeated: false })
    }

    async fn remembered(&self, key: &Idempotency) -> Result<Option<Started>, ApplicationError> {
        let Some(known) = self.runs.idempotent(&key.org, &key.scope, &key.key, self.clock.now()).await? else { return Ok(None) };
        if known.body_sha256 != key.body_sha256 {
            return Err(ApplicationError::Conflict("the Idempotency-Key was used with another body".to_owned()));
        }
        let run =
            self.runs.load(&known.run).await?.ok_or_else(|| PortError::Corrupt(format!("{} is remembered and not there", known.run)))?;
        Ok(Some(Started { run, repeated: true }))
    }
}

/// Returns a random trace id, as 32 hex digits. W3C trace context forbids the one that is all zeros.
pub(crate) fn new_trace_id(entropy: &impl Entropy) -> String {
    format!("{:032x}", entropy.random().max(1))
}
