//! A run begins.

use domain::access::Actor;
use domain::fault::Fault;
use domain::flow::{Flow, FlowStatus, Spec};
use domain::id::RunId;
use domain::json::sha256_hex;
use domain::ports::{Clock, CommitError, Entropy, Flows, Idempotency, PortError, Runs, Segments};
use domain::run::{NewRun, Run, Trigger};
use serde_json::Value;

use crate::Engine;

/// How long an Idempotency-Key is remembered, in seconds.
const REMEMBER_SECONDS: u64 = 24 * 3600;

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

impl<R: Runs, F: Flows, S: Segments, C: Clock> Engine<R, F, S, C> {
    /// Creates a run of the flow's newest version and starts its first segment.
    pub async fn start(&self, entropy: &impl Entropy, launch: Launch<'_>) -> Result<Started, Fault> {
        let flow = launch.flow;
        if flow.status != FlowStatus::Active {
            let message = format!("the flow is {}; only an active flow runs", flow.status);
            return Err(Fault::Unprocessable { message, fields: domain::problem::FieldErrors::new() });
        }
        let now = self.clock.now();
        let id = RunId::new(now, entropy.random());
        let key = launch.idempotency_key.map(|key| Idempotency {
            org: flow.org,
            scope: flow.id.to_string(),
            key,
            body_sha256: sha256_hex(&launch.input),
            run: id,
            forget_at: now.plus_seconds(REMEMBER_SECONDS),
        });
        if let Some(key) = &key
            && let Some(known) = self.remembered(key).await?
        {
            return Ok(known);
        }
        let version = self.flows.version(&flow.org, &flow.id, flow.version).await?;
        let version = version.ok_or_else(|| PortError::Corrupt(format!("{} has no version {}", flow.id, flow.version)))?;
        let spec = Spec::parse(&version.spec).map_err(|_| PortError::Corrupt(format!("the spec of {} is no longer valid", flow.id)))?;
        let new = NewRun {
            id,
            org: flow.org,
            flow: flow.id,
            flow_slug: flow.slug.clone(),
            flow_version: flow.version,
            trigger: launch.trigger,
            started_by: launch.actor.id.clone(),
            trace_id: format!("{:032x}", entropy.random().max(1)),
        };
        let run = Run::new(new, &spec, now);
        match (self.runs.create(&run, &launch.input, key.as_ref()).await, &key) {
            // Without a key a refusal can only be our own write, whose answer was lost and which was then repeated.
            (Ok(()), _) | (Err(CommitError::Changed), None) => {}
            (Err(CommitError::Port(error)), _) => return Err(error.into()),
            // Two calls with the same key at the same time: the other one was faster.
            (Err(CommitError::Changed), Some(key)) => {
                return self.remembered(key).await?.ok_or_else(|| Fault::Conflict("the Idempotency-Key is in use; try again".to_owned()));
            }
        }
        // If this fails the run is not lost: it owes its first segment, and `reconcile` pays.
        if let Err(error) = self.segments.start(&run, now).await {
            tracing::warn!(run = %run.id, trace = run.trace_id, %error, "the first segment was not started; it is owed");
        }
        Ok(Started { run, repeated: false })
    }

    async fn remembered(&self, key: &Idempotency) -> Result<Option<Started>, Fault> {
        let Some(known) = self.runs.idempotent(&key.org, &key.scope, &key.key, self.clock.now()).await? else { return Ok(None) };
        if known.body_sha256 != key.body_sha256 {
            return Err(Fault::Conflict("the Idempotency-Key was used with another body".to_owned()));
        }
        let run =
            self.runs.load(&known.run).await?.ok_or_else(|| PortError::Corrupt(format!("{} is remembered and not there", known.run)))?;
        Ok(Some(Started { run, repeated: true }))
    }
}
