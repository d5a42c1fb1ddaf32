//! Does what the [planner](crate::planner) plans: loads, records, writes the run, sends requests, waits.
//!
//! The work goes in rounds. A round plans on what has come back, writes the draft in one conditional write, and only then acts on it: it
//! sends requests, or starts the next segment. If the write is refused, the draft is dropped and the round is planned again on the run as
//! it is then.

use std::collections::{BTreeMap, BTreeSet};

use domain::flow::{BaseUrls, NodeIx, NodeKind, Spec};
use domain::ports::{Clock, CommitError, Connections, Effects, Entropy, Executions, PortError, Runs};
use domain::request::Request;
use domain::run::{Run, TransitionError};
use domain::step::Payload;
use domain::time::Time;
use futures_util::future::{Either, FutureExt, LocalBoxFuture, select};
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::advance::{Invocation, Outcome};
use crate::attempt::NodeAttempt;
use crate::conversation::conversation;
use crate::earlier_run::EarlierRun;
use crate::planner::{self, Draft, Next, Situation};
use crate::run_context::{Load, RecordedStep, RunContext, value_of};
use crate::{Engine, Ports};

/// What a round leaves to do: the requests to send, and the time at which the run has to be planned again.
type Sequel = (BTreeMap<NodeIx, Request>, Option<Time>);
type AttemptResult = (NodeIx, Result<NodeAttempt, PortError>);

/// One invocation at work.
pub(crate) struct Driver<'e, P: Ports, E, N> {
    engine: &'e Engine<P>,
    effects: &'e E,
    entropy: &'e N,
    invocation: &'e Invocation,
    spec: &'e Spec,
    earlier: Option<&'e EarlierRun>,
    /// The run as it was last read or written.
    run: Run,
    context: RunContext,
    attempts: FuturesUnordered<LocalBoxFuture<'e, AttemptResult>>,
    /// The nodes that `attempts` are about.
    under_way: BTreeSet<NodeIx>,
}

impl<'e, P: Ports, E: Effects, N: Entropy> Driver<'e, P, E, N> {
    pub(crate) fn new(
        engine: &'e Engine<P>,
        effects: &'e E,
        entropy: &'e N,
        invocation: &'e Invocation,
        spec: &'e Spec,
        earlier: Option<&'e EarlierRun>,
        run: Run,
    ) -> Self {
        let (context, attempts, under_way) = (RunContext::default(), FuturesUnordered::new(), BTreeSet::new());
        Self { engine, effects, entropy, invocation, spec, earlier, run, context, attempts, under_way }
    }

    pub(crate) async fn drive(&mut self) -> Result<Outcome, PortError> {
        loop {
            let (requests, wake_at) = match self.round().await {
                Ok(sequel) => sequel,
                Err(CommitError::Port(error)) => return Err(error),
                Err(CommitError::Changed) => match self.reload().await? {
                    Some(outcome) => return Ok(outcome),
                    None => continue,
                },
            };
            self.context.forget_written();
            if self.run.has_ended() {
                self.engine.finish(self.run.clone(), self.invocation.segment).await?;
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

    /// Plans the run and writes it. Fails with `Changed` if the run has changed meanwhile.
    async fn round(&mut self) -> Result<Sequel, CommitError> {
        loop {
            let situation = Situation {
                spec: self.spec,
                run: &self.run,
                context: &self.context,
                earlier: self.earlier,
                under_way: &self.under_way,
                owner: &self.invocation.owner,
                segment: self.invocation.segment,
                deadline: self.invocation.deadline,
                now: self.engine.clock.now(),
            };
            match planner::next(&situation)? {
                Next::Load(loads) => {
                    for load in loads {
                        // One value may have come with another one.
                        if !self.context.has(load) {
                            self.load(load).await?;
                        }
                    }
                }
                Next::Record(records) => {
                    for (ix, record) in records {
                        let step = self.engine.record(&self.run, record).await?;
                        self.context.add_step(self.spec, ix, step);
                    }
                }
                Next::Reload => return Err(CommitError::Changed),
                Next::Commit(draft) => return self.commit(*draft).await,
            }
        }
    }

    async fn commit(&mut self, draft: Draft) -> Result<Sequel, CommitError> {
        let Draft { mut run, new_gates, expired_gates: mut gates, alarmed_gates, requests, wake_at } = draft;
        gates.extend(alarmed_gates);
        let runs = &self.engine.runs;
        for gate in new_gates {
            gates.push(runs.offload(&run, gate).await?);
        }
        if run.execution.segment != self.invocation.segment && !run.has_ended() {
            // The next segment may begin with a wait that is longer than the records are kept.
            let until = run.execution.parked_until.unwrap_or_else(|| self.engine.clock.now());
            run.kept_until = runs.extend_retention(&run, until).await?.or(run.kept_until);
        }
        if run != self.run {
            self.run = runs.commit(run, &gates).await?;
        }
        Ok((requests, wake_at))
    }

    /// Loads a value into the context.
    async fn load(&mut self, load: Load) -> Result<(), PortError> {
        let (runs, now) = (&self.engine.runs, self.engine.clock.now());
        let node = |ix| &self.spec.node(ix).id;
        match load {
            Load::Input => {
                let input = value_of(runs, &runs.input(&self.run).await?).await?;
                self.context.set_input(input);
            }
            Load::Output(ix) => self.load_output(ix, now).await?,
            Load::Step(ix) => {
                if let Some(record) = runs.step(&self.run, node(ix), now).await? {
                    let output = record.output.as_ref().and_then(Payload::value).cloned();
                    self.context.add_step(self.spec, ix, RecordedStep { record, output });
                }
            }
            Load::Gate(ix) => {
                let gate = runs.gate(&self.run, node(ix)).await?;
                let missing = || PortError::Corrupt(format!("{} waits at {}, which has no gate", self.run.id, node(ix)));
                self.context.gates.insert(ix, gate.ok_or_else(missing)?);
            }
            Load::Decided(ix) => {
                if let Some(gate) = runs.gate(&self.run, node(ix)).await? {
                    self.context.add_decided(ix, &gate);
                }
            }
            Load::BaseUrls(ix) => {
                let mut base_urls = BaseUrls::new();
                for service in self.spec.services_after(ix) {
                    let connection = self.engine.flows.connection(&self.run.org, service).await?;
                    base_urls.insert(service.clone(), connection.map(|connection| connection.base_url));
                }
                self.context.base_urls.insert(ix, base_urls);
            }
            Load::EarlierStep(ix) => {
                if let Some(earlier) = self.earlier
                    && let Some(record) = runs.step(&earlier.run, node(ix), now).await?
                {
                    self.context.earlier_steps.insert(ix, record);
                }
            }
            Load::EarlierGate(ix) => {
                if let Some(earlier) = self.earlier {
                    // A gate whose node failed before it could ask is not there.
                    if let Some(gate) = runs.gate(&earlier.run, node(ix)).await?.filter(|gate| gate.outcome.is_some()) {
                        self.context.earlier_gates.insert(ix, gate);
                    }
                }
            }
            Load::Conversation(ix) => {
                let conversation = conversation(runs, &self.run, node(ix), now).await?;
                self.context.set_conversation(ix, conversation);
            }
        }
        self.context.note_loaded(load);
        Ok(())
    }

    /// Loads the output of a node that has succeeded. If it is not there any more, the template that reads it reports that.
    async fn load_output(&mut self, ix: NodeIx, now: Time) -> Result<(), PortError> {
        let (runs, node) = (&self.engine.runs, self.spec.node(ix));
        if matches!(node.kind, NodeKind::Approval(_)) {
            let gate = runs.gate(&self.run, &node.id).await?;
            if let Some(gate) = &gate {
                self.context.add_decided(ix, gate);
            }
            if let Some(outcome) = gate.and_then(|gate| gate.outcome) {
                let action = value_of(runs, &outcome.decided_action).await?;
                self.context.add_output(node, outcome.output(&action).into());
            }
            return Ok(());
        }
        let recorded = self.context.steps.get(&ix).map(|step| step.record.output.clone());
        let output = match recorded {
            Some(output) => output,
            None => runs.step(&self.run, &node.id, now).await?.and_then(|record| record.output),
        };
        if let Some(payload) = output {
            self.context.add_output(node, value_of(runs, &payload).await?);
        }
        Ok(())
    }

    /// Loads the run after its write was refused. Returns the outcome if the run is no longer this invocation's to drive.
    async fn reload(&mut self) -> Result<Option<Outcome>, PortError> {
        let run = self.engine.runs.load(&self.invocation.run).await?;
        let run = run.ok_or_else(|| PortError::Corrupt(format!("{} is gone", self.invocation.run)))?;
        self.context.forget_rounds(self.spec, &self.run, &run);
        self.run = run;
        self.context.forget_changeable();
        let is_unclaimed = self.run.execution.segment == self.invocation.segment && self.run.execution.owner.is_none();
        match self.run.must_be_driven_by(&self.invocation.owner) {
            Ok(()) => Ok(None),
            // The run has changed between the time it was read and the time it was claimed.
            Err(TransitionError::Superseded) if is_unclaimed => Ok(None),
            Err(refusal) => self.leave(refusal).await.map(Some),
        }
    }

    /// Leaves a run that has ended or that another invocation or segment drives.
    async fn leave(&mut self, refusal: TransitionError) -> Result<Outcome, PortError> {
        // The requests under way are completed, so that they are on record: a request that was sent must not be forgotten.
        while let Some((_, attempt)) = self.attempts.next().await {
            attempt?;
        }
        if self.run.execution.segment == self.invocation.segment + 1 && self.run.execution.pending.is_some() {
            // This invocation has ended the segment itself, and only the answer of that write was lost.
            self.engine.dispatch_pending(&self.run).await?;
            return Ok(Outcome::HandedOn);
        }
        match refusal {
            TransitionError::Ended(_) => {
                self.engine.finish(self.run.clone(), self.invocation.segment).await?;
                Ok(Outcome::Ended)
            }
            _ if self.run.execution.segment != self.invocation.segment => Ok(Outcome::NotOurs),
            // No execution may be waiting for the invocation that has taken the run over: if it dies, nothing would invoke again. So the
            // state must not succeed; its retry takes the run back, or finds that the run has moved on.
            _ => Err(PortError::Unavailable("another invocation has taken the run over".to_owned())),
        }
    }

    fn send(&mut self, ix: NodeIx, request: Request) {
        let (engine, effects, spec) = (self.engine, self.effects, self.spec);
        #[expect(clippy::cast_precision_loss, reason = "a share of one needs no more than 53 bits")]
        let jitter = (self.entropy.random() >> 75) as f64 / (1u64 << 53) as f64;
        let (run, covered) = (self.run.clone(), self.context.covered(spec, ix));
        self.under_way.insert(ix);
        let attempt = async move { (ix, engine.attempt(effects, &run, ix, spec.node(ix), request, covered, jitter).await) };
        self.attempts.push(attempt.boxed_local());
    }

    /// Waits for the first answer, or until `wake_at`, and takes in all answers that have come back by then.
    async fn wait(&mut self, wake_at: Option<Time>) -> Result<(), PortError> {
        let clock = &self.engine.clock;
        let first = match (self.attempts.is_empty(), wake_at) {
            (true, Some(at)) => {
                clock.sleep(at.millis_since(clock.now())).await;
                None
            }
            (true, None) => None,
            (false, None) => self.attempts.next().await,
            (false, Some(at)) => {
                let sleep = std::pin::pin!(clock.sleep(at.millis_since(clock.now())));
                match select(self.attempts.next(), sleep).await {
                    Either::Left((first, _)) => first,
                    Either::Right(_) => None,
                }
            }
        };
        let mut next = first;
        while let Some((ix, attempt)) = next {
            let attempt = attempt?;
            self.under_way.remove(&ix);
            match attempt {
                NodeAttempt::Done(step) => self.context.add_step(self.spec, ix, *step),
                NodeAttempt::RetryAt(due) => _ = self.context.retries.insert(ix, due),
            }
            next = self.attempts.next().now_or_never().flatten();
        }
        Ok(())
    }
}
