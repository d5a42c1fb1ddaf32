//! A run begins.

use domain::access::Actor;
use domain::error::ApplicationError;
use domain::flow::{Flow, FlowStatus, Spec};
use domain::id::RunId;
use domain::json::sha256_hex;
use domain::ports::{Clock, CommitError, Entropy, Executions, Flows, Idempotency, PortError, Runs};
use domain::problem::FieldErrors;
use domain::run::{NewRun, Retried, Run, Trigger};
use serde_json::Value;

use crate::Engine;

/// How long an Idempotency-Key is remembered, in seconds.
pub(crate) const REMEMBER_SECONDS: u64 = 24 * 3600;

/// What starts a run.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The flow, as its head stands.
    pub flow: &'a Flow,
    /// What started it.
    pub trigger: Trigger,
    /// Who.
    pub actor: &'a Actor,
    /// The input.
    pub input: Value,
    /// The caller's Idempotency-Key.
    pub idempotency_key: Option<String>,
}

/// A run that was started, now or earlier under the same key.
#[derive(Debug, Clone, PartialEq)]
pub struct Started {
    /// The run.
    pub run: Run,
    /// Whether it was there already.
    pub repeated: bool,
}

/// An Idempotency-Key, what it was sent to, and the hash of what was sent with it.
pub(crate) struct CallKey {
    pub(crate) scope: String,
    pub(crate) key: String,
    /// The same key with another hash is refused.
    pub(crate) body_sha256: String,
    /// How long it is remembered.
    pub(crate) seconds: u64,
}

/// A run about to be created.
pub(crate) struct Beginning<'a> {
    pub(crate) flow: &'a Flow,
    pub(crate) version: u32,
    pub(crate) spec: &'a Spec,
    pub(crate) trigger: Trigger,
    pub(crate) actor: &'a Actor,
    pub(crate) retried: Option<Retried>,
    /// The caller's Idempotency-Key.
    pub(crate) key: Option<CallKey>,
}

impl<R: Runs, F: Flows, S: Executions, C: Clock> Engine<R, F, S, C> {
    /// Creates a run of the flow's newest version and starts its first segment.
    pub async fn start(&self, entropy: &impl Entropy, launch: Launch<'_>) -> Result<Started, ApplicationError> {
        let Launch { flow, trigger, actor, input, idempotency_key } = launch;
        let spec = self.spec_of(flow, flow.version).await?;
        let key = idempotency_key.map(|key| CallKey {
            scope: flow.id.to_string(),
            key,
            body_sha256: sha256_hex(&input),
            seconds: REMEMBER_SECONDS,
        });
        self.begin(entropy, Beginning { flow, version: flow.version, spec: &spec, trigger, actor, retried: None, key }, &input).await
    }

    /// Creates a run, once for each Idempotency-Key, and starts its first segment.
    pub(crate) async fn begin(&self, entropy: &impl Entropy, beginning: Beginning<'_>, input: &Value) -> Result<Started, ApplicationError> {
        let Beginning { flow, version, spec, trigger, actor, retried, key } = beginning;
        if flow.status != FlowStatus::Active {
            let message = format!("the flow is {}; only an active flow runs", flow.status);
            return Err(ApplicationError::Unprocessable { message, fields: FieldErrors::new() });
        }
        let now = self.clock.now();
        let id = RunId::new(now, entropy.random());
        let key = key.map(|CallKey { scope, key, body_sha256, seconds }| Idempotency {
            org: flow.org,
            scope,
            key,
            body_sha256,
            run: id,
            forget_at: now.plus_seconds(seconds),
        });
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
            flow_version: version,
            trigger,
            started_by: actor.id.clone(),
            retried,
            trace_id: format!("{:032x}", entropy.random().max(1)),
        };
        let run = Run::new(new, spec, now);
        match (self.runs.create(&run, input, key.as_ref()).await, &key) {
            // Without a key a refusal can only be our own write, whose answer was lost and which was then repeated.
            (Ok(()), _) | (Err(CommitError::Changed), None) => {}
            (Err(CommitError::Port(error)), _) => return Err(error.into()),
            // Two calls with the same key at the same time: the other one was faster.
            (Err(CommitError::Changed), Some(key)) => {
                return self
                    .remembered(key)
                    .await?
                    .ok_or_else(|| ApplicationError::Conflict("the Idempotency-Key is in use; try again".to_owned()));
            }
        }
        // If this fails the run is not lost: it pending its first segment, and `reconcile` pays.
        if let Err(error) = self.segments.start(&run, now).await {
            tracing::warn!(run = %run.id, trace = run.trace_id, %error, "the first segment was not started; it is owed");
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
