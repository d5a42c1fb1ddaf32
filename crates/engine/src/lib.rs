//! The application: what can be done to runs and flows, through ports.
//!
//! [`Engine`] does everything that happens to a run: [`start`](Engine::start), [`advance`](Engine::advance),
//! [`decide`](Engine::decide), [`cancel`](Engine::cancel), [`retry`](Engine::retry), [`settle`](Engine::settle) and
//! [`reconcile`](Engine::reconcile). [`Scheduler`] and [`Engine::deliver`] start runs for a schedule and for a signed call.
//! [`FlowEditor`] creates and changes flows, [`OutputPurge`] deletes outputs, and [`LongRetention`] changes how long they are kept.
//! Each of these asks only for the ports that it uses.
//!
//! Every operation loads what it is about, lets `domain` decide, and writes on the condition that nothing has changed meanwhile. After
//! a refused write it loads and *decides again*; it never repeats the write that was refused.

mod advance;
mod attempt;
mod decide;
mod driver;
mod earlier_run;
mod ending;
mod flow_dependencies;
mod flow_editor;
mod long_retention;
mod planner;
mod ports;
mod purge;
mod reconcile;
mod retry;
mod run_context;
mod segment;
mod start;
mod trigger;

use domain::error::ApplicationError;
use domain::flow::Flow;
use domain::gate::Gate;
use domain::id::{OrgId, RunId};
use domain::ports::{FlowName, Flows, PortError, Runs};
use domain::run::{NodeStatus, Run};
use domain::time::Time;

pub use advance::{Invocation, Outcome};
pub use decide::DecisionResult;
pub use flow_editor::{EditedFlow, FlowEditor};
pub use long_retention::LongRetention;
pub use ports::{Engine, Ports};
pub use purge::OutputPurge;
pub use retry::RetryOptions;
pub use segment::{BadSegmentName, SegmentName};
pub use start::{Launch, Started};
pub use trigger::cron::{Scheduler, Ticked};
pub use trigger::webhook::{TriggerDelivery, WebhookTriggerSecrets};

impl<P: Ports> Engine<P> {
    /// Returns the run if it belongs to the organisation.
    async fn run_of(&self, org: &OrgId, id: &RunId) -> Result<Run, ApplicationError> {
        run_of(&self.runs, org, id).await
    }

    /// Returns the flow of a run, as its head is now.
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

async fn run_of(runs: &impl Runs, org: &OrgId, id: &RunId) -> Result<Run, ApplicationError> {
    let run = runs.load(id).await?;
    run.filter(|run| run.org == *org).ok_or(ApplicationError::NotFound("run"))
}
