//! Starts the flows whose schedule is due.
//!
//! A due time becomes a run in one transaction: the run is put, and the schedule of its flow moves on, if nothing has moved it before. So
//! each due time starts one run, however many ticks see it, and a crash comes either before the transaction or after it. After it, the
//! first segment of the run is a pending effect, as with any other run.

use std::cell::Cell;

use domain::access::RecordedActor;
use domain::error::ApplicationError;
use domain::flow::Flow;
use domain::id::{FlowId, OrgId, RunId};
use domain::ports::{Clock, CronFlows, Entropy, Executions, FlowName, Flows, PortError, optimistic_update, spec_of};
use domain::run::{NewRun, Run, Trigger};
use domain::time::Time;
use futures_util::stream::{StreamExt as _, iter};
use serde_json::json;

use crate::start::new_trace_id;

/// The number of flows that are started at the same time.
const CONCURRENT_FLOWS: usize = 48;
/// The number of refused starts in a second after which no more are tried in that second. Step Functions accepts a few hundred a second,
/// and a refusal costs as much time as a start.
const MAX_REFUSALS: usize = 20;
/// The number of flows that one tick starts at most. The next tick starts what is due beyond them.
const MAX_FLOWS: usize = 20_000;
/// How long the tick waits before it repeats the starts that were refused, in milliseconds.
const PAUSE_MILLIS: u64 = 1_000;
/// The actor of runs that a schedule starts. No key can have this name, because the actors of keys have no colon.
const ACTOR: &str = "trigger:cron";

/// The result of a tick.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ticked {
    /// The number of runs that it created.
    pub created: usize,
    /// The number of these whose execution it could not start. It is a pending effect, which `reconcile` dispatches.
    pub pending: usize,
    /// The number of flows that it had no time for. They stay due, and the next tick begins with them.
    pub left: usize,
    /// The number of flows that could not be started for a reason of their own.
    pub failed: usize,
}

/// The result for one due flow.
enum Started {
    /// Another tick was faster, or the flow is not due after all.
    No,
    /// The run was created and its execution was started.
    Yes,
    /// The run was created; its execution is pending.
    Pending(Box<Run>),
    /// There was no time left.
    Left,
    /// It could not be done.
    Failed,
}

/// Limits how fast executions are started to what Step Functions accepts.
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
        self.refused.get() < MAX_REFUSALS
    }

    fn refused(&self) {
        self.refused.set(self.refused.get() + 1);
    }
}

/// Starts the runs of flows that have a schedule.
#[derive(Debug, Clone)]
pub struct Scheduler<T, E, C> {
    /// The store of flows and their schedules, which also creates the runs.
    pub table: T,
    /// The state machines that drive runs.
    pub executions: E,
    /// The source of the time.
    pub clock: C,
}

impl<T: Flows + CronFlows, E: Executions, C: Clock> Scheduler<T, E, C> {
    /// Starts every flow that is due, many at the same time, and begins nothing after `stop_at`. A flow that fails does not delay the
    /// others.
    pub async fn tick(&self, entropy: &impl Entropy, stop_at: Time) -> Result<Ticked, PortError> {
        let due = self.table.due_flows(self.clock.now(), MAX_FLOWS).await?;
        let pace = Pace::default();
        let mut started = iter(due).map(|(org, id)| self.start_due(entropy, &pace, (org, id), stop_at)).buffer_unordered(CONCURRENT_FLOWS);
        let (mut ticked, mut pending) = (Ticked::default(), Vec::new());
        while let Some(started) = started.next().await {
            match started {
                Started::No => {}
                Started::Yes => ticked.created += 1,
                Started::Pending(run) => {
                    ticked.created += 1;
                    pending.push(*run);
                }
                Started::Left => ticked.left += 1,
                Started::Failed => ticked.failed += 1,
            }
        }
        drop(started);
        ticked.pending = self.start_pending(pending, &pace, stop_at).await;
        Ok(ticked)
    }

    async fn start_due(&self, entropy: &impl Entropy, pace: &Pace, (org, id): (OrgId, FlowId), stop_at: Time) -> Started {
        if self.clock.now() >= stop_at {
            return Started::Left;
        }
        match self.create(entropy, &org, &id).await {
            Ok(None) => Started::No,
            Ok(Some(run)) if self.start_execution(&run, pace).await => Started::Yes,
            Ok(Some(run)) => Started::Pending(Box::new(run)),
            Err(error) => {
                tracing::error!(%org, flow = %id, %error, "a flow that is due was not started");
                Started::Failed
            }
        }
    }

    /// Starts the first execution of a run. Returns false if the pace does not allow it, or if it is refused.
    async fn start_execution(&self, run: &Run, pace: &Pace) -> bool {
        let now = self.clock.now();
        if !pace.allows(now) {
            return false;
        }
        let started = self.executions.start(run, now).await;
        if let Err(error) = &started {
            tracing::debug!(run = %run.id, %error, "a first segment was not started at once");
            pace.refused();
        }
        started.is_ok()
    }

    /// Creates the run for a flow's due time and moves its schedule on. Returns none if the flow is not due any more.
    async fn create(&self, entropy: &impl Entropy, org: &OrgId, id: &FlowId) -> Result<Option<Run>, ApplicationError> {
        let created = optimistic_update("the flow", async || {
            let now = self.clock.now();
            let Some(flow) = self.table.flow(org, &FlowName::Id(*id)).await? else { return Ok(None) };
            let due = flow.due_run(now).map_err(|problem| PortError::Corrupt(problem.to_string()))?;
            let Some(due) = due else { return Ok(None) };
            let run = self.due_run(entropy, &flow, now).await?;
            // A refusal means that another tick has started the flow, or that it was edited.
            self.table.create_due(&run, &json!({"scheduledAt": due.scheduled_at}), &flow, &due.flow).await?;
            Ok(Some(run))
        });
        created.await
    }

    async fn due_run(&self, entropy: &impl Entropy, flow: &Flow, now: Time) -> Result<Run, PortError> {
        let spec = spec_of(&self.table, flow, flow.version).await?;
        let new = NewRun {
            id: RunId::fresh(now, entropy.random()),
            org: flow.org,
            flow: flow.id,
            flow_slug: flow.slug.clone(),
            flow_label: Some(flow.label()),
            flow_version: flow.version,
            trigger: Trigger::Cron,
            started_by: RecordedActor::named(ACTOR),
            trigger_changers: flow.trigger_changed_by.as_ref().map(RecordedActor::all_principals).unwrap_or_default(),
            retried: None,
            trace_id: new_trace_id(entropy),
        };
        Ok(Run::new(new, &spec, now))
    }

    /// Starts the executions that were refused, which happens when many runs start at once, until all are started or there is no time
    /// left. Returns the number of those that are still pending.
    async fn start_pending(&self, mut pending: Vec<Run>, pace: &Pace, stop_at: Time) -> usize {
        while !pending.is_empty() && self.clock.now().plus_millis(PAUSE_MILLIS) < stop_at {
            self.clock.sleep(PAUSE_MILLIS).await;
            let starts = pending.into_iter().map(|run| async move {
                let is_started = self.clock.now() < stop_at && self.start_execution(&run, pace).await;
                (!is_started).then_some(run)
            });
            pending = iter(starts).buffer_unordered(CONCURRENT_FLOWS).filter_map(std::future::ready).collect().await;
        }
        for run in &pending {
            tracing::warn!(run = %run.id, trace = run.trace_id, "the first segment was not started; it is pending");
        }
        pending.len()
    }
}
