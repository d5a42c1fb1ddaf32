//! Drives one run through its ports: what is next (asks `domain`), do it, record it.
//!
//! Everything that happens to a run goes through here, one module each: [`start`](Engine::start), [`advance`](Engine::advance),
//! [`decide`](Engine::decide), [`cancel`](Engine::cancel), [`retry`](Engine::retry),
//! [`settle`](Engine::settle), [`reconcile`](Engine::reconcile), [`purge`](Engine::purge); and so do those who start one from
//! outside, [`deliver`](Engine::deliver) for webhooks and [`tick`](Engine::tick) for the clock.
//! Each loads the run, lets the domain decide, and writes on the condition that nobody else has written meanwhile. A write
//! that is refused means: load again and *decide again*; never: write the same once more.

mod advance;
mod attempt;
mod cron;
mod decide;
mod ending;
mod long_retention;
mod planner;
mod purge;
mod reconcile;
mod retry;
mod run_context;
mod segment;
mod start;
mod webhook;

use domain::error::ApplicationError;
use domain::flow::{Flow, Spec, Version};
use domain::gate::Gate;
use domain::id::{OrgId, RunId};
use domain::ports::{Clock, Executions, FlowName, Flows, PortError, Runs};
use domain::run::{NodeStatus, Run};
use domain::time::Time;

pub use advance::{Invocation, Outcome};
pub use cron::Ticked;
pub use decide::DecisionResult;
pub use retry::RetryOptions;
pub use segment::{BadSegmentName, SegmentName};
pub use start::{Launch, Started};
pub use webhook::{TriggerDelivery, WebhookKeeper};

/// How often a decision is thought through again because the run changed under it. Every change means that somebody else got
/// on with the run, so this many in a row is a storm, and the caller is better told to come back.
const MAX_TRIES: usize = 25;

/// The engine and what it works with.
#[derive(Debug, Clone)]
pub struct Engine<R, F, S, C> {
    /// Runs, steps and gates.
    pub runs: R,
    /// Flows and their versions.
    pub flows: F,
    /// The state machines.
    pub segments: S,
    /// The time.
    pub clock: C,
}

impl<R: Runs, F: Flows, S: Executions, C: Clock> Engine<R, F, S, C> {
    /// The run, if it belongs to the organisation.
    async fn run_of(&self, org: &OrgId, id: &RunId) -> Result<Run, ApplicationError> {
        let run = self.runs.load(id).await?;
        run.filter(|run| run.org == *org).ok_or(ApplicationError::NotFound("run"))
    }

    /// The version a run executes, and its spec.
    async fn version_of(&self, run: &Run) -> Result<(Version, Spec), PortError> {
        let version = self.flows.version(&run.org, &run.flow, run.flow_version).await?;
        let version = version.ok_or_else(|| PortError::Corrupt(format!("{} points to a version that is not there", run.id)))?;
        let spec = Spec::stored(&version.spec).map_err(|_| PortError::Corrupt(format!("the spec of {} is no longer valid", run.id)))?;
        if run.progress.states().len() != spec.len() {
            return Err(PortError::Corrupt(format!("{} does not have the nodes of its version", run.id)));
        }
        Ok((version, spec))
    }

    /// The flow of a run, as its head stands now.
    async fn flow_of(&self, run: &Run) -> Result<Flow, PortError> {
        let flow = self.flows.flow(&run.org, &FlowName::Id(run.flow)).await?;
        flow.ok_or_else(|| PortError::Corrupt(format!("{} belongs to a flow that is not there", run.id)))
    }

    /// A run that ends closes its open gates in the same write, so that no reviewer is asked for nothing.
    /// `before` is the run as it was loaded; `gates` are those that the write contains already.
    async fn close_gates(&self, before: &Run, gates: &mut Vec<Gate>, now: Time) -> Result<(), PortError> {
        for gate in gates.iter_mut() {
            gate.close(now);
        }
        if before.progress.with_status(NodeStatus::AwaitingApproval).next().is_none() {
            return Ok(());
        }
        let stored = self.runs.gates(before).await?;
        let forgotten = stored.into_iter().filter(|gate| gate.is_open() && !gates.iter().any(|known| known.node == gate.node));
        for mut gate in forgotten.collect::<Vec<_>>() {
            gate.close(now);
            gates.push(gate);
        }
        Ok(())
    }
}

impl<R, F: Flows, S, C> Engine<R, F, S, C> {
    /// The spec of a version of a flow.
    async fn spec_of(&self, flow: &Flow, number: u32) -> Result<Spec, PortError> {
        let version = self.flows.version(&flow.org, &flow.id, number).await?;
        let version = version.ok_or_else(|| PortError::Corrupt(format!("{} has no version {number}", flow.id)))?;
        Spec::stored(&version.spec).map_err(|_| PortError::Corrupt(format!("the spec of {} is no longer valid", flow.id)))
    }
}

fn storm() -> ApplicationError {
    ApplicationError::Port(PortError::Unavailable(format!("the run changed {MAX_TRIES} times while this was being decided")))
}
