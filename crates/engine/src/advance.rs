//! One invocation drives a run as far as it can: it does what is ready, in parallel where the flow allows it, and records each
//! step before anything that depends on it starts.
//!
//! The work goes in rounds. A round takes what has come back, thinks the run through on a draft, writes the draft in one
//! conditional write, and only then lets the world know: starts requests, or the next segment. If the write is refused, the
//! draft is thrown away and the round is thought through again on the run as it now is.

use std::collections::{BTreeMap, BTreeSet};

use domain::error::ApplicationError;
use domain::flow::{NodeIx, Spec};
use domain::id::RunId;
use domain::ports::{Clock, CommitError, Effects, Entropy, Executions, PortError, Runs, spec_for};
use domain::request::Request;
use domain::run::{Run, TransitionError};
use domain::time::Time;
use futures_util::future::{Either, FutureExt, LocalBoxFuture, select};
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::attempt::NodeAttempt;
use crate::planner::Draft;
use crate::retry::Before;
use crate::run_context::RunContext;
use crate::{Engine, Ports};

/// A wait up to this long is slept through: parking costs two state entries and an invocation, more than this much of a
/// small function's time.
const SHORT_WAIT_MILLIS: u64 = 5_000;
/// What a segment needs after its last request: to record the answer and to start the next segment.
pub(crate) const MARGIN_SECONDS: u64 = 20;

/// An invocation of the worker.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The run to drive.
    pub run: RunId,
    /// The segment whose execution invoked it.
    pub segment: u32,
    /// Names the invocation; whoever else drives the run has another name.
    pub owner: String,
    /// When the platform will cut it short.
    pub deadline: Time,
}

/// Why an invocation is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The run has ended.
    Ended,
    /// The next segment has been started.
    HandedOn,
    /// A later segment drives the run, or it was not there to be driven.
    NotOurs,
}

impl<P: Ports> Engine<P> {
    /// Drives a run until it ends, waits, or the invocation's time is up.
    pub async fn advance(
        &self,
        effects: &impl Effects,
        entropy: &impl Entropy,
        invocation: &Invocation,
    ) -> Result<Outcome, ApplicationError> {
        let Some(run) = self.runs.load(&invocation.run).await? else { return Ok(Outcome::NotOurs) };
        if run.execution.segment != invocation.segment {
            return self.hand_on_again(&run, invocation).await;
        }
        if run.has_ended() {
            self.tidy(run, invocation.segment).await?;
            return Ok(Outcome::Ended);
        }
        let spec = spec_for(&self.flows, &run).await?;
        let before = self.before(&run, &spec).await?;
        let jobs = FuturesUnordered::new();
        let mut driver = Driver {
            engine: self,
            effects,
            entropy,
            invocation,
            spec: &spec,
            before: before.as_ref(),
            run,
            known: RunContext::default(),
            jobs,
            under_way: BTreeSet::new(),
            arrived: Vec::new(),
        };
        Ok(driver.rounds().await?)
    }

    /// This segment is over. If the next one is still owed, whoever ended this one did not get to start it.
    async fn hand_on_again(&self, run: &Run, invocation: &Invocation) -> Result<Outcome, ApplicationError> {
        if run.execution.segment == invocation.segment + 1 && run.execution.pending.is_some() {
            self.dispatch(run).await?;
            return Ok(Outcome::HandedOn);
        }
        Ok(Outcome::NotOurs)
    }

    /// A run that has ended takes note that its last segment is over, so that it pending nothing.
    pub(crate) async fn tidy(&self, mut run: Run, segment: u32) -> Result<(), PortError> {
        // An ended run takes no owner.
        if run.execution.pending.is_some() && run.claim("", segment).is_ok() {
            match self.runs.commit(run, &[]).await {
                // Whoever changed an ended run did this very thing.
                Ok(_) | Err(CommitError::Changed) => {}
                Err(CommitError::Port(error)) => return Err(error),
            }
        }
        Ok(())
    }
}

/// One invocation at work.
pub(crate) struct Driver<'e, P: Ports, E, N> {
    pub(crate) engine: &'e Engine<P>,
    pub(crate) effects: &'e E,
    pub(crate) entropy: &'e N,
    pub(crate) invocation: &'e Invocation,
    pub(crate) spec: &'e Spec,
    /// The run that this one repeats.
    pub(crate) before: Option<&'e Before>,
    /// The run as it was last read or written.
    pub(crate) run: Run,
    pub(crate) known: RunContext,
    pub(crate) jobs: FuturesUnordered<LocalBoxFuture<'e, Result<NodeAttempt, PortError>>>,
    /// The nodes that `jobs` are about.
    pub(crate) under_way: BTreeSet<NodeIx>,
    /// What has come back and is not yet part of the run.
    pub(crate) arrived: Vec<NodeAttempt>,
}

impl<P: Ports, E: Effects, N: Entropy> Driver<'_, P, E, N> {
    async fn rounds(&mut self) -> Result<Outcome, PortError> {
        loop {
            let (requests, wake_at) = match self.round().await {
                Ok(next) => next,
                Err(CommitError::Port(error)) => return Err(error),
                Err(CommitError::Changed) => match self.look_again().await? {
                    Some(outcome) => return Ok(outcome),
                    None => continue,
                },
            };
            self.arrived.clear();
            if self.run.has_ended() {
                return Ok(Outcome::Ended);
            }
            if self.run.execution.segment != self.invocation.segment {
                self.engine.executions.start(&self.run, self.engine.clock.now()).await?;
                return Ok(Outcome::HandedOn);
            }
            for (ix, request) in requests {
                self.send(ix, request);
            }
            self.wait(wake_at).await?;
        }
    }

    /// Thinks the run through and writes it. Gives what is to be sent now, and when a clock has something to say.
    async fn round(&mut self) -> Result<(BTreeMap<NodeIx, Request>, Option<Time>), CommitError> {
        let Draft { mut run, gates, requests, postponed, wake_at } = self.think().await?;
        let idle = self.jobs.is_empty() && requests.is_empty();
        if idle && !run.has_ended() {
            // Cannot be refused: the run has not ended.
            _ = match wake_at {
                _ if postponed => run.end_segment(None),
                Some(at) if self.can_sleep_until(at) => Ok(()),
                // What is due already is no pause: the next segment goes on at once.
                Some(at) => run.end_segment(Some(at).filter(|at| *at > self.engine.clock.now())),
                None => return Err(PortError::Corrupt(format!("{} has nothing to do and nothing to wait for", run.id)).into()),
            };
        }
        if run.execution.segment != self.invocation.segment && !run.has_ended() {
            // Before anybody may look away for so long that records expire.
            let until = run.execution.parked_until.unwrap_or_else(|| self.engine.clock.now());
            run.kept_until = self.engine.runs.extend_retention(&run, until).await?.or(run.kept_until);
        }
        if run != self.run {
            self.run = self.engine.runs.commit(run, &gates).await?;
        }
        Ok((requests, wake_at))
    }

    fn can_sleep_until(&self, at: Time) -> bool {
        let now = self.engine.clock.now();
        at.millis_since(now) <= SHORT_WAIT_MILLIS && at.plus_seconds(MARGIN_SECONDS) < self.invocation.deadline
    }

    /// The run changed under a draft. Gives the outcome if it is no longer this invocation's to drive.
    async fn look_again(&mut self) -> Result<Option<Outcome>, PortError> {
        let run = self.engine.runs.load(&self.invocation.run).await?;
        self.run = run.ok_or_else(|| PortError::Corrupt(format!("{} is gone", self.invocation.run)))?;
        let ours_until_now = self.run.execution.segment == self.invocation.segment && self.run.execution.owner.is_none();
        match self.run.must_be_driven_by(&self.invocation.owner) {
            Ok(()) => Ok(None),
            // Not taken up yet: something happened between reading it and claiming it.
            Err(TransitionError::Superseded) if ours_until_now => Ok(None),
            Err(refusal) => {
                // What is under way is let finish, so that it is on record: a request that was sent must not be forgotten.
                while let Some(attempted) = self.jobs.next().await {
                    attempted?;
                }
                if self.run.execution.segment == self.invocation.segment + 1 && self.run.execution.pending.is_some() {
                    // Our own write that ended the segment; only its answer was lost.
                    self.engine.dispatch(&self.run).await?;
                    return Ok(Some(Outcome::HandedOn));
                }
                match refusal {
                    TransitionError::Ended(_) => {
                        self.engine.tidy(self.run.clone(), self.invocation.segment).await?;
                        Ok(Some(Outcome::Ended))
                    }
                    _ if self.run.execution.segment != self.invocation.segment => Ok(Some(Outcome::NotOurs)),
                    // Whoever took it may be an invocation that nobody waits for: if it died, nobody would invoke again. So the
                    // state must not succeed; its retry takes the run back, or finds that it has moved on.
                    _ => Err(PortError::Unavailable("another invocation has taken the run over".to_owned())),
                }
            }
        }
    }

    fn send(&mut self, ix: NodeIx, request: Request) {
        let (engine, effects, spec) = (self.engine, self.effects, self.spec);
        #[expect(clippy::cast_precision_loss, reason = "a share of one needs no more than 53 bits")]
        let jitter = (self.entropy.random() >> 75) as f64 / (1u64 << 53) as f64;
        let run = self.run.clone();
        self.under_way.insert(ix);
        self.jobs.push(async move { engine.attempt(effects, &run, ix, spec.node(ix), request, jitter).await }.boxed_local());
    }

    /// Waits for the first answer, takes what else has come back by then, and wakes early if a clock says so.
    async fn wait(&mut self, wake_at: Option<Time>) -> Result<(), PortError> {
        let clock = &self.engine.clock;
        let first = match (self.jobs.is_empty(), wake_at) {
            (true, Some(at)) => {
                clock.sleep(at.millis_since(clock.now())).await;
                None
            }
            (true, None) => None,
            (false, None) => self.jobs.next().await,
            (false, Some(at)) => {
                let sleep = std::pin::pin!(clock.sleep(at.millis_since(clock.now())));
                match select(self.jobs.next(), sleep).await {
                    Either::Left((first, _)) => first,
                    Either::Right(_) => None,
                }
            }
        };
        let mut next = first;
        while let Some(attempted) = next {
            let attempted = attempted?;
            let ix = match &attempted {
                NodeAttempt::Done(finished) => finished.ix,
                NodeAttempt::RetryAt(ix, _) => *ix,
            };
            self.under_way.remove(&ix);
            self.arrived.push(attempted);
            next = self.jobs.next().now_or_never().flatten();
        }
        Ok(())
    }
}
