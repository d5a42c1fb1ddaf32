//! A case, played in one process after another.

use std::sync::{Arc, Mutex, MutexGuard};

use domain::error::ApplicationError;
use domain::flow::NodeId;
use domain::gate::{BallotOutcome, DecisionTarget};
use domain::id::RunId;
use domain::ports::Clock;
use domain::run::{Exit, NodeStatus, RunStatus, STUCK_AFTER_SECONDS};
use domain::time::Time;
use engine::{DecisionResult, Engine, RetryOptions, Started};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use serde_json::{Value, json};
use testkit::build::{actor, approve, approve_as, reject};
use testkit::{BrokenGuarantee, Deployment, Fate, ManualClock, Memory, Sent};

use crate::attempt::attempt;
use crate::case::{Act, Answer, Case, Reply, Says, Step, Trouble, What, cases};
use crate::flows::flow;
use crate::observer::{Observer, round_of};

/// How far behind a slow clock is.
pub const SLOW_MILLIS: u64 = 5_000;
/// The time in which what is pending is dispatched, and a little more, in seconds: some ticks.
const SLACK_SECONDS: u64 = 1_200;
/// The number of sweeps after which a run that was stuck is driven at last.
const MAX_SWEEPS: u64 = 12;
/// Enough to make a case of any size small.
const MAX_SHRINKS: u32 = 4_000;

/// A seed that broke an invariant, and what is left of it once everything is taken away that it does not take.
#[derive(Debug)]
pub struct Broken {
    pub seed: u64,
    pub what: String,
    pub case: Case,
    pub spec: Value,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "seed {} broke an invariant: {}", self.seed, self.what)?;
        writeln!(f, "It shrank to this flow:\n{:#}", self.spec)?;
        writeln!(f, "and this story:\n{:#?}", self.case)?;
        write!(f, "To run it alone, and shrink it again: SEED={} cargo test -p engine --test simulation whatever", self.seed)
    }
}

fn runner(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { failure_persistence: None, max_shrink_iters: MAX_SHRINKS, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// The case that a seed stands for.
pub fn case_of(seed: u64) -> Case {
    cases().new_tree(&mut runner(seed)).unwrap().current()
}

/// Plays the case of a seed. If it breaks an invariant, it is made as small as it gets and still breaks one.
pub fn try_seed(seed: u64, broken_guarantee: Option<BrokenGuarantee>) -> Result<RunStatus, Box<Broken>> {
    let mut runner = runner(seed);
    let tree = cases().new_tree(&mut runner).unwrap();
    let case = tree.current();
    if let Ok(status) = attempt(|| play(&case, broken_guarantee)) {
        return Ok(status);
    }
    match runner.run_one(tree, |case| attempt(|| play(&case, broken_guarantee)).map(drop).map_err(TestCaseError::fail)) {
        Err(TestError::Fail(why, case)) => Err(Box::new(Broken { seed, what: why.message().to_owned(), spec: flow(&case.nodes), case })),
        other => panic!("seed {seed} failed, and then it did not: {other:?}"),
    }
}

/// A case under way.
#[derive(Clone)]
struct Play {
    world: Deployment,
    run: RunId,
    observer: Arc<Mutex<Observer>>,
    /// A copy of the table, and what had been seen until then.
    copy: Option<(Memory, Observer)>,
    is_restored: bool,
}

/// Plays a case to the end of its run, and of another one that repeats it if it did not succeed. Panics when an invariant is
/// broken.
pub fn play(case: &Case, broken_guarantee: Option<BrokenGuarantee>) -> RunStatus {
    let spec = flow(&case.nodes);
    let mut world = Deployment::of(&spec);
    world.invocation_seconds = case.invocation_seconds;
    world.settle_events_are_lost = case.loses_settle_events;
    if let Some(broken_guarantee) = broken_guarantee {
        world.store.break_guarantee(broken_guarantee);
    }
    world.faults.strike_call("start", 1, case.launch);
    // Whatever the caller hears: the run is there.
    _ = world.execute(json!({"choice": format!("c{}", case.choice), "text": "x".repeat(case.bytes)}), None);
    let run = world.store.all_runs()[0].id;
    let observer = Arc::new(Mutex::new(Observer::new(&spec, run)));
    let mut play = Play { world, run, observer, copy: None, is_restored: false };
    play.answer_with(case.answers.clone());
    play.trouble_with(case.troubles.clone());
    for step in &case.story {
        play.look();
        let stored = play.world.run(run);
        if stored.has_ended() && stored.execution.pending.is_none() {
            break;
        }
        match step {
            Step::GoOn => _ = play.go_on(),
            Step::GoOnOrWait => {
                if !play.go_on() {
                    play.pass_time();
                }
            }
            Step::Tick(seconds) => play.world.clock.advance(*seconds),
            Step::Act(act) => play.act(*act),
            Step::Copy => {
                let seen = play.observer().clone();
                play.copy = Some((play.world.store.copy(), seen));
            }
            Step::Restore => play.restore(),
        }
    }
    // From here on everything works, and nobody acts: the run rests soon, and in the end the clock ends it.
    play.world.faults.clear();
    play.world.play_to_rest(run, play.bound());
    play.look();
    let ended = if play.may_be_stuck() { play.world.rest_to_end(run, play.bound()) } else { play.world.play_to_end(run) };
    play.look();
    play.observer().at_the_end(&play.world.store);
    // A store that breaks its promises has had its chance to be noticed.
    if broken_guarantee.is_none() && ended.status != RunStatus::Succeeded {
        play.world.settle_events_are_lost = false;
        play.again(&spec, case);
    }
    // The script holds the world that holds the script.
    play.world.effects.script(|_| None);
    ended.status
}

impl Play {
    fn observer(&self) -> MutexGuard<'_, Observer> {
        self.observer.lock().unwrap()
    }

    fn store(&self) -> &Memory {
        &self.world.store
    }

    fn look(&self) {
        self.observer().look(self.store(), self.world.clock.now());
    }

    fn go_on(&self) -> bool {
        self.world.executions.all().iter().any(|execution| self.world.step(execution))
    }

    /// Whether the run may be in nobody's hands for a while: its execution has failed unheard, or belongs to a table that is lost.
    fn may_be_stuck(&self) -> bool {
        self.is_restored || self.world.settle_events_are_lost
    }

    /// How long the run may take to come to rest, in seconds. Each segment of a lost table that still waits costs a sweep.
    fn bound(&self) -> u64 {
        let sweep = self.world.invocation_seconds + STUCK_AFTER_SECONDS + SLACK_SECONDS;
        if self.may_be_stuck() { MAX_SWEEPS * sweep } else { SLACK_SECONDS }
    }

    fn pass_time(&self) {
        if self.may_be_stuck() { self.world.tick() } else { self.world.pass_time(self.run) }
    }

    fn restore(&mut self) {
        let Some((store, seen)) = &self.copy else { return };
        self.world.store.restore(store);
        *self.observer() = seen.clone();
        self.observer().disturbed(self.store());
        self.is_restored = true;
    }

    fn answer_with(&self, answers: Vec<Answer>) {
        let (play, mut answers) = (self.clone(), answers.into_iter());
        self.world.effects.script(move |sent: &Sent| {
            play.observer().sent(play.store(), sent);
            let Answer { after_millis, what } = answers.next().unwrap_or(Answer { after_millis: 0, what: Reply::Well(0) });
            let reply = match what {
                Reply::Well(amount) => {
                    testkit::Reply::output(json!({"parsed": {"amount": amount}, "name": sent.name, "text": format!("draft {amount}")}))
                }
                Reply::Unavailable => testkit::Reply::unavailable(),
                Reply::ComeBackIn(seconds) => testkit::Reply::unavailable().retry_after(seconds),
                Reply::Refused => testkit::Reply::refused(),
            };
            if reply.result.is_err() {
                play.observer().failed(sent);
            }
            Some(reply.after(after_millis))
        });
    }

    fn trouble_with(&self, troubles: Vec<Trouble>) {
        let (play, mut troubles) = (self.clone(), troubles.into_iter().peekable());
        let mut since = 0;
        self.world.faults.decide(move |call| {
            play.look();
            since += 1;
            // Not while the process is dying: the actor would count that death as its own.
            if play.world.faults.has_crashed() {
                return Fate::Pass;
            }
            let is_now = |trouble: &Trouble| trouble.after_calls < since && (!trouble.at_commit || call.name == "commit");
            let Some(trouble) = troubles.next_if(is_now) else { return Fate::Pass };
            since = 0;
            match trouble.what {
                What::Act(act) => {
                    play.act(act);
                    Fate::Pass
                }
                What::Fate(fate) => {
                    play.observer().disturbed(play.store());
                    if fate == Fate::Twice && call.name == "perform" {
                        play.observer().doubles_next();
                    }
                    fate
                }
            }
        });
    }

    fn act(&self, act: Act) {
        let (world, run) = (&self.world, self.run);
        match act {
            Act::Decide { gate, bob, ballot, slow } => self.decide(gate, bob, ballot, slow),
            Act::Cancel => {
                if let Some(Ok(_)) = world.call(world.engine.cancel(&world.org, &run, &actor("usr_canceller"), None)) {
                    self.observer().cancelled(self.store());
                }
            }
            Act::Invoke => {
                // Only an execution invokes.
                let stored = world.run(run);
                if world.executions.find(&stored.execution_name()).is_some() {
                    self.observer().disturbed(self.store());
                    _ = world.invoke(run, stored.execution.segment);
                }
            }
            Act::Reconcile => _ = world.call(world.engine.reconcile(&world.store)),
            Act::SettleLate => {
                let executions = world.executions.all();
                if let Some(old) = executions.iter().find(|execution| execution.segment < world.run(run).execution.segment) {
                    let settled = world.call(world.engine.settle(&run, old.segment, "late"));
                    assert!(!matches!(settled, Some(Ok(Some(_)))), "I4: a segment that was left settled the run");
                }
            }
        }
    }

    async fn retry(&self) -> Result<Started, ApplicationError> {
        let Deployment { engine, entropy, org, .. } = &self.world;
        engine.retry(entropy, org, &self.run, &actor("usr_operator"), RetryOptions::default()).await
    }

    /// The run is run again, and what went wrong goes wrong again. What it had finished is not done again, and what is sent again
    /// unchanged has the key it had.
    fn again(&self, spec: &Value, case: &Case) {
        let world = &self.world;
        let run = world.call(self.retry()).unwrap().unwrap().run.id;
        let sent_before = world.effects.sent();
        let observer = Arc::new(Mutex::new(Observer::new(spec, run)));
        let play = Self { world: world.clone(), run, observer, copy: None, is_restored: false };
        play.answer_with(case.answers.clone());
        play.trouble_with(case.troubles.clone());
        world.play_to_end(run);
        world.faults.clear();
        play.look();
        play.observer().at_the_end(&world.store);
        for sent in world.effects.sent().iter().skip(sent_before.len()) {
            let before = world.node(self.run, &sent.name);
            let finished = before.status == NodeStatus::Succeeded || (before.status, before.exit) == (NodeStatus::Failed, Exit::Error);
            // What a reviewer has sent back in the retry is done again.
            let is_revised = round_of(sent) > world.run(self.run).round_of(&sent.name.parse().unwrap());
            assert!(!finished || is_revised, "I6: {} had been finished, and was done again by a retry", sent.name);
            let is_same = |known: &&Sent| known.name == sent.name && known.request == sent.request && round_of(known) == round_of(sent);
            for known in sent_before.iter().filter(is_same) {
                assert_eq!(known.context.idempotency_key, sent.context.idempotency_key, "I6: {} was repeated under another key", sent.name);
            }
        }
    }

    fn decide(&self, gate: u8, bob: bool, ballot: Says, slow: bool) {
        let (world, run) = (&self.world, self.run);
        let gates = self.observer().gates();
        let is_open = |node: &&String| world.node(run, node).status == NodeStatus::AwaitingApproval;
        let open: Vec<&String> = gates.iter().filter(is_open).collect();
        // Mostly a gate that is open, now and then one that is not.
        let among = if open.is_empty() || gate % 5 == 4 { gates.iter().collect() } else { open };
        let Some(node) = usize::from(gate).checked_rem(among.len()).map(|at| among[at]) else { return };
        let who = actor(if bob { "usr_bob" } else { "usr_ada" });
        let behind = if slow { SLOW_MILLIS } else { 0 };
        let clock = ManualClock::at(Time::from_millis(world.clock.now().millis() - behind));
        let engine = Engine { clock, ..world.engine.clone() };
        let node_id: NodeId = node.parse().unwrap();
        // Whoever names no approval decides nothing once it has opened again. Now and then it is one of an earlier round.
        let round = world.run(run).round_of(&node_id);
        let shown = if gate % 7 == 6 { round.saturating_sub(1).max(1) } else { round };
        let on_screen = world.store.stored_gate_in_round(&run, node, shown);
        let approval = on_screen.filter(|_| gate % 3 != 2 || shown > 1).map(|gate| gate.id);
        let target = DecisionTarget { approval, node: Some(node_id), shown_sha256: None };
        let ballot = match ballot {
            Says::Changes => {
                // Each note is a new one, so that none is taken for a repetition.
                let note = format!("changes, {}", world.faults.calls().len());
                let answer = world.call(engine.request_changes(&world.org, &run, &target, &who, &note));
                if let Some(Ok(requested)) = answer {
                    self.observer().revised(self.store(), &requested.gate, &who.id, &note);
                }
                return;
            }
            Says::Yes => approve(),
            Says::YesBut(amount) => approve_as(json!({"amount": amount})),
            Says::No => reject("by chance"),
        };
        let answer = world.call(engine.decide(&world.org, &run, &target, &who, ballot));
        if let Some(Ok(DecisionResult { gate, counted: BallotOutcome::Decided(verdict), .. })) = answer {
            self.observer().decided(self.store(), (node, gate.basis.round), &who.id, verdict);
        }
    }
}
