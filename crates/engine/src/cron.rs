//! The clock starts flows.
//!
//! A due time becomes a run in one transaction: the run is put, and the schedule of its flow moves on, if nobody has moved it yet. So it
//! is done once, however many ticks see it, and a crash comes before it or after it. After it the run pending its first segment like
//! any other.

use std::cell::Cell;

use domain::flow::Flow;
use domain::id::{FlowId, OrgId, RunId};
use domain::ports::{Clock, CommitError, CronFlows, Entropy, Executions, FlowName, Flows, PortError};
use domain::run::{NewRun, Run, Trigger};
use domain::time::Time;
use futures_util::stream::{StreamExt as _, iter};
use serde_json::json;

use crate::Engine;

/// Flows that are seen to at the same time.
const AT_ONCE: usize = 48;
/// Executions that may be refused in a second before no more are tried in it. Step Functions takes some hundred a second, and a refusal
/// costs as much as a start.
const REFUSALS: usize = 20;
/// Flows that one tick looks at. What is due beyond them waits for the next one.
const MOST: usize = 20_000;
/// How often a flow is looked at again that changed while its run was being created.
const TRIES: usize = 3;
/// How long the tick waits before it starts those executions that were refused, in milliseconds.
const PAUSE_MILLIS: u64 = 1_000;
/// Who starts the runs. No key can have this name: those of actors have no colon.
const ACTOR: &str = "trigger:cron";

/// What a tick did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ticked {
    /// Runs it created.
    pub created: usize,
    /// Of these, those whose execution it could not start. They owe it, and `reconcile` pays.
    pub owed: usize,
    /// Flows it had no time for. They are due still, and the next tick begins with them.
    pub left: usize,
    /// Flows that could not be started for a reason of their own.
    pub failed: usize,
}

/// What became of one due flow.
enum Seen {
    /// Somebody else was faster, or it is not due after all.
    Nothing,
    /// There is a run, and its execution.
    Started,
    /// There is a run, and no execution.
    Owing(Box<Run>),
    /// There was no time.
    Left,
    /// It could not be done.
    Failed,
}

/// Starts executions as fast as they are taken, and not much faster.
#[derive(Default)]
struct Pace {
    second: Cell<u64>,
    refused: Cell<usize>,
}

impl Pace {
    fn allows(&self, now: Time) -> bool {
        if self.second.replace(now.seconds()) != now.seconds() {
            self.refused.set(0);
        }
        self.refused.get() < REFUSALS
    }

    fn refused(&self) {
        self.refused.set(self.refused.get() + 1);
    }
}

impl<R, F: Flows, S: Executions, C: Clock> Engine<R, F, S, C> {
    /// Starts every flow that is due, many at a time, and begins nothing after `stop_at`. One that fails does not hold up the others.
    pub async fn tick(&self, entropy: &impl Entropy, cron: &impl CronFlows, stop_at: Time) -> Result<Ticked, PortError> {
        let due = cron.due_flows(self.clock.now(), MOST).await?;
        let pace = Pace::default();
        let mut seen = iter(due).map(|(org, id)| self.start_due(entropy, cron, &pace, (org, id), stop_at)).buffer_unordered(AT_ONCE);
        let (mut ticked, mut owing) = (Ticked::default(), Vec::new());
        while let Some(seen) = seen.next().await {
            match seen {
                Seen::Nothing => {}
                Seen::Started => ticked.created += 1,
                Seen::Owing(run) => {
                    ticked.created += 1;
                    owing.push(*run);
                }
                Seen::Left => ticked.left += 1,
                Seen::Failed => ticked.failed += 1,
            }
        }
        drop(seen);
        ticked.owed = self.start_again(owing, &pace, stop_at).await;
        Ok(ticked)
    }

    async fn start_due(
        &self,
        entropy: &impl Entropy,
        cron: &impl CronFlows,
        pace: &Pace,
        (org, id): (OrgId, FlowId),
        stop_at: Time,
    ) -> Seen {
        if self.clock.now() >= stop_at {
            return Seen::Left;
        }
        match self.create(entropy, cron, &org, &id).await {
            Ok(None) => Seen::Nothing,
            Ok(Some(run)) if self.was_started(&run, pace).await => Seen::Started,
            Ok(Some(run)) => Seen::Owing(Box::new(run)),
            Err(error) => {
                tracing::error!(%org, flow = %id, %error, "a flow that is due was not started");
                Seen::Failed
            }
        }
    }

    /// Starts the first execution of a run, if the pace allows it and it is taken.
    async fn was_started(&self, run: &Run, pace: &Pace) -> bool {
        let now = self.clock.now();
        if !pace.allows(now) {
            return false;
        }
        let started = self.segments.start(run, now).await;
        if let Err(error) = &started {
            tracing::debug!(run = %run.id, %error, "a first segment was not started at once");
            pace.refused();
        }
        started.is_ok()
    }

    /// The run for a flow's due time, and its schedule moved on. None: it is not due any more.
    async fn create(&self, entropy: &impl Entropy, cron: &impl CronFlows, org: &OrgId, id: &FlowId) -> Result<Option<Run>, PortError> {
        for _ in 0..TRIES {
            let now = self.clock.now();
            let Some(flow) = self.flows.flow(org, &FlowName::Id(*id)).await? else { return Ok(None) };
            let due = flow.due_run(now).map_err(|problem| PortError::Corrupt(problem.to_string()))?;
            let Some(due) = due else { return Ok(None) };
            let run = self.due_run(entropy, &flow, now).await?;
            match cron.create_due(&run, &json!({"scheduledAt": due.scheduled_at}), &flow, &due.flow).await {
                Ok(()) => return Ok(Some(run)),
                // Another tick, or an edit: look again.
                Err(CommitError::Changed) => {}
                Err(CommitError::Port(error)) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn due_run(&self, entropy: &impl Entropy, flow: &Flow, now: Time) -> Result<Run, PortError> {
        let spec = self.spec_of(flow, flow.version).await?;
        let new = NewRun {
            id: RunId::new(now, entropy.random()),
            org: flow.org,
            flow: flow.id,
            flow_slug: flow.slug.clone(),
            flow_version: flow.version,
            trigger: Trigger::Cron,
            started_by: ACTOR.to_owned(),
            retried: None,
            trace_id: format!("{:032x}", entropy.random().max(1)),
        };
        Ok(Run::new(new, &spec, now))
    }

    /// Starts the executions that were refused, as those of many runs at once are, until all are started or there is no time. Gives
    /// how many are not.
    async fn start_again(&self, mut owing: Vec<Run>, pace: &Pace, stop_at: Time) -> usize {
        while !owing.is_empty() && self.clock.now().plus_millis(PAUSE_MILLIS) < stop_at {
            self.clock.sleep(PAUSE_MILLIS).await;
            let starts = owing.into_iter().map(|run| async move {
                let is_started = self.clock.now() < stop_at && self.was_started(&run, pace).await;
                (!is_started).then_some(run)
            });
            owing = iter(starts).buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await;
        }
        for run in &owing {
            tracing::warn!(run = %run.id, trace = run.trace_id, "the first segment was not started; it is owed");
        }
        owing.len()
    }
}
