//! One invocation of the worker: it drives a run as far as it can.

use domain::error::ApplicationError;
use domain::id::RunId;
use domain::ports::{Effects, Entropy, Runs, spec_for};
use domain::run::Run;
use domain::time::Time;

use crate::driver::Driver;
use crate::{Engine, Ports};

/// An invocation of the worker.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The run to drive.
    pub run: RunId,
    /// The segment whose execution has invoked it.
    pub segment: u32,
    /// The name of the invocation; no other invocation has it.
    pub owner: String,
    /// The time at which the platform ends it.
    pub deadline: Time,
}

/// How an invocation has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The run has ended.
    Ended,
    /// The next segment has been started.
    HandedOn,
    /// A later segment drives the run, or there is no such run.
    NotOurs,
}

impl<P: Ports> Engine<P> {
    /// Drives a run until it ends, waits, or the invocation has no time left. Fails if a port fails, or if another invocation has taken
    /// the run over; the platform then invokes again.
    pub async fn advance(
        &self,
        effects: &impl Effects,
        entropy: &impl Entropy,
        invocation: &Invocation,
    ) -> Result<Outcome, ApplicationError> {
        let Some(run) = self.runs.load(&invocation.run).await? else { return Ok(Outcome::NotOurs) };
        if run.execution.segment != invocation.segment {
            return self.start_next_segment(&run, invocation).await;
        }
        if run.has_ended() {
            self.finish(run, invocation.segment).await?;
            return Ok(Outcome::Ended);
        }
        let spec = spec_for(&self.flows, &run).await?;
        let earlier = self.earlier_run(&run, &spec).await?;
        let mut driver = Driver::new(self, effects, entropy, invocation, &spec, earlier.as_ref(), run);
        Ok(driver.drive().await?)
    }

    /// The segment of the invocation is over. If the next one is still pending, the invocation that ended this one has not started it.
    async fn start_next_segment(&self, run: &Run, invocation: &Invocation) -> Result<Outcome, ApplicationError> {
        if run.execution.segment == invocation.segment + 1 && run.execution.pending.is_some() {
            self.dispatch_pending(run).await?;
            return Ok(Outcome::HandedOn);
        }
        Ok(Outcome::NotOurs)
    }
}
