//! A whole deployment in memory: the real engine on these ports, and a player of Step Functions and EventBridge.

use std::future::Future;

use domain::access::Actor;
use domain::error::ApplicationError;
use domain::flow::{Flow, Spec};
use domain::gate::{Ballot, DecisionTarget, Gate};
use domain::id::{OrgId, RunId};
use domain::ports::{Clock, Entropy, Flows};
use domain::run::{NodeState, Run, Trigger};
use domain::step::StepRecord;
use engine::{DecisionResult, Engine, Invocation, Launch, LongRetention, Outcome, OutputPurge, Scheduler, Started};
use serde_json::Value;

use crate::build::{Maker, actor, at};
use crate::{Execution, Fate, Faults, ManualClock, Memory, RecordedExecutions, ScriptedEffects, SeededEntropy, Stage, block_on, run_until};

/// The number of invocations of Advance before its execution fails: once, and four retries (`statemachine/*.asl.json`).
pub const ATTEMPTS: u32 = 5;

/// The time between two ticks of `reconcile-runs`, in seconds (`template.yaml`).
const TICK_SECONDS: u64 = 300;

/// What became of an invocation of the worker.
#[derive(Debug)]
pub enum Invoked {
    /// It came to an end.
    Done(Outcome),
    /// It failed.
    Failed(ApplicationError),
    /// Its process died.
    Crashed,
}

/// The engine on ports in memory.
pub type MemoryEngine = Engine<(Memory, Memory, RecordedExecutions, ManualClock)>;

/// The engine, its ports, one active flow, and the executions that drive its runs.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The engine under test.
    pub engine: MemoryEngine,
    /// Deletes the outputs of its runs.
    pub outputs: OutputPurge<Memory, ManualClock>,
    /// Changes how long its outputs are kept.
    pub retention: LongRetention<Memory, ManualClock>,
    /// Starts the flows that are due.
    pub scheduler: Scheduler<Memory, RecordedExecutions, ManualClock>,
    /// Its store.
    pub store: Memory,
    /// The world outside.
    pub effects: ScriptedEffects,
    /// Its executions.
    pub executions: RecordedExecutions,
    /// Its clock.
    pub clock: ManualClock,
    /// The fates of its calls.
    pub faults: Faults,
    /// Its randomness.
    pub entropy: SeededEntropy,
    /// Whose flow it is.
    pub org: OrgId,
    /// The flow.
    pub flow: Flow,
    /// Who starts runs.
    pub starter: Actor,
    /// How long an invocation may take.
    pub invocation_seconds: u64,
    /// Whether nobody hears that an execution has failed.
    pub settle_events_are_lost: bool,
}

impl Deployment {
    /// A world with one flow that has this spec.
    pub fn of(spec: &Value) -> Self {
        Self::seeded(spec, 1)
    }

    /// The same, with other randomness.
    pub fn seeded(spec: &Value, seed: u64) -> Self {
        if let Err(errors) = Spec::parse(spec) {
            panic!("the test's spec is not valid: {:?}", errors.by_path());
        }
        let (faults, clock, maker) = (Faults::none(), ManualClock::at(at(0)), Maker::new(seed));
        let store = Memory::new(faults.clone());
        let executions = RecordedExecutions::new(faults.clone());
        let effects = ScriptedEffects::new(clock.clone(), faults.clone());
        let org = maker.org();
        let (flow, version) = maker.flow(org, "flow", spec.clone(), clock.now());
        block_on(&clock, store.create_flow(&flow, &version)).unwrap();
        let engine = Engine::new(store.clone(), store.clone(), executions.clone(), clock.clone());
        let outputs = OutputPurge { runs: store.clone(), clock: clock.clone() };
        let retention = LongRetention { runs: store.clone(), clock: clock.clone() };
        let scheduler = Scheduler { table: store.clone(), executions: executions.clone(), clock: clock.clone() };
        let entropy = maker.entropy().clone();
        let starter = actor("usr_starter");
        Self {
            engine,
            outputs,
            retention,
            scheduler,
            store,
            effects,
            executions,
            clock,
            faults,
            entropy,
            org,
            flow,
            starter,
            invocation_seconds: 900,
            settle_events_are_lost: false,
        }
    }

    /// Carries out a call of the API. None: the process died in the middle.
    pub fn call<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let answer = run_until(&self.clock, future, || self.faults.has_crashed());
        self.faults.take_crash();
        answer
    }

    /// `POST execute`.
    pub fn execute(&self, input: Value, key: Option<&str>) -> Option<Result<Started, ApplicationError>> {
        let launch =
            Launch { flow: &self.flow, trigger: Trigger::Manual, actor: &self.starter, input, idempotency_key: key.map(str::to_owned) };
        self.call(self.engine.start(&self.entropy, launch))
    }

    /// Starts a run that nothing goes wrong with.
    pub fn start(&self, input: Value) -> RunId {
        self.execute(input, None).unwrap().unwrap().run.id
    }

    /// `POST approve` or `POST reject`. An empty `node` names none.
    pub fn decide(&self, run: RunId, node: &str, actor: &Actor, ballot: Ballot) -> Result<DecisionResult, ApplicationError> {
        let node = (!node.is_empty()).then(|| node.parse().unwrap());
        self.decide_on(run, &DecisionTarget { node, ..DecisionTarget::default() }, actor, ballot)
    }

    /// `POST approve` or `POST reject` on what the target names.
    pub fn decide_on(
        &self,
        run: RunId,
        target: &DecisionTarget,
        actor: &Actor,
        ballot: Ballot,
    ) -> Result<DecisionResult, ApplicationError> {
        self.call(self.engine.decide(&self.org, &run, target, actor, ballot)).unwrap()
    }

    /// `POST cancel`.
    pub fn cancel(&self, run: RunId, reason: &str) -> Result<Run, ApplicationError> {
        self.call(self.engine.cancel(&self.org, &run, &actor("usr_canceller"), Some(reason.to_owned()))).unwrap()
    }

    /// The worker that dispatches pending effects.
    pub fn reconcile(&self) -> Result<usize, ApplicationError> {
        self.call(self.engine.reconcile(&self.store)).unwrap()
    }

    /// A tick of the schedule, five minutes later. Whatever becomes of it, the next one is the retry.
    pub fn tick(&self) {
        self.clock.advance(TICK_SECONDS);
        _ = self.call(self.engine.reconcile(&self.store));
    }

    /// Moves every execution on, and lets ticks come, until the run has come to rest: it has ended, or it waits for a person or a clock, and
    /// nothing is pending. Fails the test if that takes longer than `bound` seconds.
    pub fn play_to_rest(&self, run: RunId, bound: u64) -> Run {
        let until = self.clock.now().plus_seconds(bound);
        loop {
            self.play();
            let stored = self.run(run);
            if self.is_at_rest(&stored) {
                return stored;
            }
            assert!(self.clock.now() < until, "I4: {bound} seconds after everything works again, {run} does not rest: {stored:?}");
            self.tick();
        }
    }

    fn is_at_rest(&self, run: &Run) -> bool {
        let waits = || run.execution.token.is_some() && run.execution.parked_until.is_some_and(|until| until > self.clock.now());
        run.execution.pending.is_none() && (run.has_ended() || waits())
    }

    /// Lets time pass and ticks come until the run has ended; nobody decides anything. A run that does not rest within `bound` seconds
    /// fails the test, now and after each of its pauses.
    pub fn rest_to_end(&self, run: RunId, bound: u64) -> Run {
        for _ in 0..1_000 {
            let now = self.play_to_rest(run, bound);
            if now.has_ended() {
                return now;
            }
            self.clock.set(now.execution.parked_until.unwrap());
        }
        panic!("{run} does not come to an end: {:?}", self.run(run));
    }

    /// The worker that hears of failed executions.
    pub fn settle(&self, execution: &Execution) -> Option<Run> {
        self.call(self.engine.settle(&execution.run, execution.segment, "the execution failed")).unwrap().unwrap()
    }

    /// A new invocation for a segment, with a name of its own and the full time.
    pub fn invocation(&self, run: RunId, segment: u32) -> Invocation {
        let owner = format!("inv-{:016x}", self.entropy.random() >> 64);
        Invocation { run, segment, owner, deadline: self.clock.now().plus_seconds(self.invocation_seconds) }
    }

    /// One invocation of the worker, to its end.
    pub fn invoke(&self, run: RunId, segment: u32) -> Invoked {
        let invocation = self.invocation(run, segment);
        match self.call(self.engine.advance(&self.effects, &self.entropy, &invocation)) {
            None => Invoked::Crashed,
            Some(Ok(outcome)) => Invoked::Done(outcome),
            Some(Err(fault)) => Invoked::Failed(fault),
        }
    }

    /// Moves an execution on by one state. False if it has to wait, or is over.
    pub fn step(&self, execution: &Execution) -> bool {
        let name = &execution.name;
        match execution.stage {
            Stage::BeforePark => self.executions.set_stage(name, self.park(execution)),
            Stage::Parked(until) if until <= self.clock.now() => self.executions.set_stage(name, Stage::Advance(0)),
            Stage::Advance(failures) => {
                let invoked = self.invoke(execution.run, execution.segment);
                // It may have been stopped meanwhile.
                if self.executions.find(name).is_none_or(|now| now.is_over()) {
                    return true;
                }
                match invoked {
                    Invoked::Done(_) => self.executions.set_stage(name, Stage::Succeeded),
                    _ if failures + 1 < ATTEMPTS => self.executions.set_stage(name, Stage::Advance(failures + 1)),
                    _ => {
                        self.executions.set_stage(name, Stage::Failed);
                        if self.settle_events_are_lost {
                            return true;
                        }
                        // EventBridge delivers until a delivery succeeds.
                        let settle = || self.call(self.engine.settle(&execution.run, execution.segment, "the execution failed"));
                        while !matches!(settle(), Some(Ok(_))) {}
                    }
                }
            }
            _ => return false,
        }
        true
    }

    /// Park: one conditional write. Whatever goes wrong with it leads to Advance.
    fn park(&self, execution: &Execution) -> Stage {
        let until = self.clock.now().plus_seconds(execution.wait_seconds.unwrap_or(0));
        let write = || self.store.park(&execution.run, &execution.name, &execution.token());
        let parked = match block_on(&self.clock, self.faults.fate("park", true)) {
            Fate::Pass => write(),
            Fate::FailBefore | Fate::Reject | Fate::CrashBefore => false,
            Fate::LoseAnswer | Fate::CrashAfter => {
                write();
                false
            }
            Fate::Twice => {
                write();
                write()
            }
        };
        if parked { Stage::Parked(until) } else { Stage::Advance(0) }
    }

    /// Moves every execution as far as it gets without a person or a clock.
    pub fn play(&self) {
        for _ in 0..10_000 {
            if !self.executions.all().iter().any(|execution| self.step(execution)) {
                return;
            }
        }
        panic!("the executions do not come to rest");
    }

    /// Lets time pass, and dispatches pending effects, until the run has ended. A run that is stuck fails the test.
    pub fn play_to_end(&self, run: RunId) -> Run {
        for _ in 0..1_000 {
            self.play();
            let now = self.run(run);
            if now.has_ended() && now.execution.pending.is_none() {
                return now;
            }
            self.pass_time(run);
        }
        panic!("{run} does not come to an end: {:?}", self.run(run));
    }

    /// To the next moment at which something happens by itself: a pending effect is dispatched, or a park is over.
    pub fn pass_time(&self, run: RunId) {
        if self.run(run).execution.pending.is_some() {
            self.clock.advance(300);
            // Whatever becomes of it: the schedule invokes it again.
            _ = self.call(self.engine.reconcile(&self.store));
            return;
        }
        let parked = self.executions.all().into_iter().filter_map(|execution| match execution.stage {
            Stage::Parked(until) => Some(until),
            _ => None,
        });
        match parked.min() {
            Some(until) => self.clock.set(until),
            None => panic!("{run} is lost: it pending nothing, and nothing drives it: {:?}", self.run(run)),
        }
    }

    /// A run as it is stored.
    pub fn run(&self, run: RunId) -> Run {
        self.store.stored_run(&run).unwrap()
    }

    /// Where a node of a run stands.
    pub fn node(&self, run: RunId, node: &str) -> NodeState {
        let version = self.store.stored_version(&self.run(run));
        let spec = Spec::parse(&version.spec).unwrap();
        self.run(run).progress.get(spec.position(&node.parse().unwrap()).unwrap())
    }

    /// The record of a step, if there is one.
    pub fn record(&self, run: RunId, node: &str) -> Option<StepRecord> {
        self.store.stored_step(&run, node)
    }

    /// A gate, if there is one.
    pub fn gate(&self, run: RunId, node: &str) -> Option<Gate> {
        self.store.stored_gate(&run, node)
    }
}
