//! Every order in which things can happen, breadth first: what is found is found on one of the shortest ways to it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use domain::ports::Clock;
use domain::time::Time;
use serde_json::{Value, json};
use testkit::{BrokenGuarantee, Deployment, Stage};

use crate::attempt::attempt;
use crate::explored::{Broken, Explored, Orders};
use crate::observer::Observer;
use crate::site::{Facts, Site};
use crate::tasks::{Ending, Reviewer, Says, Tasks, Who};

/// The actors, and the number of troubles.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub name: &'static str,
    pub spec: Value,
    pub reviewers: Vec<Reviewer>,
    /// Whether the run may be cancelled.
    pub cancel: bool,
    /// Whether the clock may pass a deadline at any moment; if not, it does when nothing else can happen.
    pub early_clock: bool,
    /// How many processes may die: invocations, and calls of the API.
    pub crashes: usize,
    /// How many writes and effects may lose their answer.
    pub losses: usize,
    /// The number of dispatches before they are needed.
    pub early_payments: usize,
    /// How many invocations there may be for which no execution waits.
    pub duplicates: usize,
    /// The number of invocations of an execution before it fails.
    pub attempts: u32,
    /// Whether a call of the API that begins anew after a refused write is taken to remember nothing.
    pub forget: bool,
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Act {
    Begin(Who),
    /// A call is carried out, and its answer is heard.
    Call(Who, usize, &'static str),
    /// A write is carried out, and its answer is lost.
    Lose(Who, usize, &'static str),
    /// A process dies between two calls.
    Kill(Who),
    Park(u32),
    /// The time of a parked execution is up.
    TimeUp(u32),
    ClockTo(Time),
}

/// A site that has been come to.
struct Known {
    site: Site,
    facts: Facts,
    mark: u64,
}

impl Known {
    fn new(site: Site) -> Self {
        Self { facts: site.facts(), mark: site.mark(), site }
    }
}

#[derive(Clone)]
struct State {
    site: Rc<Known>,
    now: Time,
    /// Who is at it, in order, and at which moment.
    live: Vec<(Who, usize)>,
    spent: Spent,
}

/// What may not happen again.
#[derive(Clone, Copy, Default, Hash)]
struct Spent {
    /// Reviewers, one bit for each.
    voted: u32,
    cancelled: bool,
    crashes: usize,
    losses: usize,
    payments: usize,
    duplicates: usize,
    /// Executions whose failure is known, one bit for each.
    settled: u128,
}

impl State {
    fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.site.mark, self.now, &self.live, &self.spent).hash(&mut hasher);
        hasher.finish()
    }
}

/// What comes of something that happens.
#[derive(Clone)]
struct Change {
    site: Rc<Known>,
    now: Time,
    /// Where the caller stands then; none if it has ended.
    moment: Option<usize>,
    /// The segment whose failure was settled.
    settled: Option<u32>,
}

struct Search<'s> {
    scenario: &'s Scenario,
    tasks: Tasks,
    sites: HashMap<u64, Rc<Known>>,
    changes: HashMap<(u64, Time, usize, Act), Change>,
    known: HashMap<u64, u32>,
    /// How each state was first come to: from which one, and by what.
    came_by: Vec<Option<(u32, Act)>>,
    steps: Vec<(u32, u32)>,
    trying: Option<(u32, Act)>,
    ends: BTreeMap<&'static str, usize>,
}

/// Explores a scenario to its end. Err: something is broken.
pub fn explore(scenario: &Scenario, broken_guarantee: Option<BrokenGuarantee>) -> Result<Explored, Broken> {
    let world = Deployment::of(&scenario.spec);
    if let Some(broken_guarantee) = broken_guarantee {
        world.store.break_guarantee(broken_guarantee);
    }
    let run = world.start(json!({"ticket": "T-1"}));
    let observer = Observer::new(&scenario.spec, run);
    let site = Site { store: world.store.copy(), executions: world.executions.copy(), observer: observer.into() };
    let first = State { site: Rc::new(Known::new(site)), now: world.clock.now(), live: Vec::new(), spent: Spent::default() };
    let mut search = Search {
        scenario,
        tasks: Tasks::new(run, world.org, world.store.copy(), scenario.reviewers.clone()),
        sites: HashMap::new(),
        changes: HashMap::new(),
        known: HashMap::from([(first.key(), 0)]),
        came_by: vec![None],
        steps: Vec::new(),
        trying: None,
        ends: BTreeMap::new(),
    };
    match attempt(|| search.run(first)) {
        Ok(()) => search.sum_up(),
        Err(what) => Err(Broken { what, way: search.way() }),
    }
}

impl Search<'_> {
    fn run(&mut self, first: State) {
        let mut ahead = VecDeque::from([(0, first)]);
        while let Some((number, state)) = ahead.pop_front() {
            let (must, may) = self.acts(&state);
            if must.is_empty() {
                self.trying = self.came_by[number as usize];
                let site = &state.site.site;
                site.observer.borrow().at_the_end(&site.store);
                *self.ends.entry(site.run().status.as_str()).or_default() += 1;
            }
            for act in must.into_iter().chain(may) {
                self.trying = Some((number, act));
                let next = self.after(&state, act);
                let (key, new) = (next.key(), u32::try_from(self.came_by.len()).unwrap());
                let known = *self.known.entry(key).or_insert(new);
                self.steps.push((number, known));
                if known == new {
                    self.came_by.push(self.trying);
                    ahead.push_back((new, next));
                }
            }
        }
    }

    /// What goes on by itself, and what may come or not.
    fn acts(&self, state: &State) -> (Vec<Act>, Vec<Act>) {
        let (mut must, mut may) = (Vec::new(), Vec::new());
        let (facts, spent) = (&state.site.facts, &state.spent);
        let is_live = |who: Who| state.live.iter().any(|(other, _)| *other == who);
        for (who, moment) in &state.live {
            for call in self.tasks.waits_for(*moment) {
                must.push(Act::Call(*who, call.number, call.name));
                if spent.losses < self.scenario.losses && call.writes {
                    may.push(Act::Lose(*who, call.number, call.name));
                }
            }
            if spent.crashes < self.scenario.crashes {
                may.push(Act::Kill(*who));
            }
        }
        for execution in &facts.executions {
            let segment = execution.segment;
            match execution.stage {
                Stage::BeforePark => must.push(Act::Park(segment)),
                Stage::Parked(until) if until <= state.now => must.push(Act::TimeUp(segment)),
                Stage::Advance(failures) if !is_live(Who::Worker { segment, failures }) => {
                    must.push(Act::Begin(Who::Worker { segment, failures }));
                }
                Stage::Failed if spent.settled & (1 << segment) == 0 && !is_live(Who::Settler(segment)) => {
                    must.push(Act::Begin(Who::Settler(segment)));
                }
                _ => {}
            }
            if spent.duplicates < self.scenario.duplicates && execution.stage != Stage::BeforePark {
                may.push(Act::Begin(Who::Duplicate { segment, number: spent.duplicates }));
            }
        }
        if facts.pending && !is_live(Who::Reconciler) {
            if must.is_empty() {
                must.push(Act::Begin(Who::Reconciler));
            } else if spent.payments < self.scenario.early_payments {
                may.push(Act::Begin(Who::Reconciler));
            }
        }
        if let Some(next) = facts.alarms.iter().copied().filter(|at| *at > state.now).min() {
            if must.is_empty() {
                must.push(Act::ClockTo(next));
            } else if self.scenario.early_clock {
                may.push(Act::ClockTo(next));
            }
        }
        for (number, reviewer) in self.scenario.reviewers.iter().enumerate() {
            // A reviewer knows of a gate from the inbox, and may still have it on the screen long after.
            if spent.voted & (1 << number) == 0 && facts.gates.iter().any(|(gate, round)| gate == reviewer.gate && *round == reviewer.round)
            {
                may.push(Act::Begin(Who::Reviewer(number)));
            }
        }
        if self.scenario.cancel && !spent.cancelled {
            may.push(Act::Begin(Who::Canceller));
        }
        (must, may)
    }

    fn after(&mut self, state: &State, act: Act) -> State {
        let mut next = state.clone();
        match act {
            Act::Begin(who) => {
                match who {
                    Who::Reviewer(number) => next.spent.voted |= 1 << number,
                    Who::Canceller => next.spent.cancelled = true,
                    Who::Duplicate { .. } => next.spent.duplicates += 1,
                    Who::Reconciler => next.spent.payments = (next.spent.payments + 1).min(self.scenario.early_payments),
                    Who::Worker { .. } | Who::Settler(_) => {}
                }
                next.live.push((who, self.tasks.begin(who, state.now)));
                next.live.sort_unstable();
            }
            Act::ClockTo(at) => next.now = at,
            Act::Call(who, ..) | Act::Lose(who, ..) => {
                next.spent.losses += usize::from(matches!(act, Act::Lose(..)));
                let at = next.live.iter().position(|(other, _)| *other == who).unwrap();
                let change = self.change(state, next.live[at].1, act);
                match change.moment {
                    Some(moment) => next.live[at].1 = moment,
                    None => _ = next.live.remove(at),
                }
                if let Some(segment) = change.settled {
                    next.spent.settled |= 1 << segment;
                }
                next.site = change.site;
                next.now = change.now;
            }
            Act::Kill(who) => {
                next.spent.crashes += 1;
                next.live.retain(|(other, _)| *other != who);
                next.site = self.change(state, 0, act).site;
            }
            Act::Park(_) | Act::TimeUp(_) => next.site = self.change(state, 0, act).site,
        }
        next
    }

    /// What comes of something, at a site and a time and, if it is a call, at a moment of the caller: the same every time.
    fn change(&mut self, state: &State, moment: usize, act: Act) -> Change {
        let name = (state.site.mark, state.now, moment, act);
        if let Some(change) = self.changes.get(&name) {
            return change.clone();
        }
        let mut change = Change { site: Rc::clone(&state.site), now: state.now, moment: None, settled: None };
        match act {
            Act::Call(who, number, _) => self.call(&mut change, who, moment, number, false),
            Act::Lose(who, number, _) => self.call(&mut change, who, moment, number, true),
            Act::Kill(who) => {
                self.write(&mut change, |site| site.observer.borrow_mut().disturbed(&site.store));
                self.failed(&mut change, who);
            }
            Act::Park(segment) => self.write(&mut change, |site| {
                let wait = site.execution(segment).wait_seconds.unwrap();
                site.park(segment, state.now.plus_seconds(wait));
            }),
            Act::TimeUp(segment) => self.write(&mut change, |site| {
                site.executions.set_stage(&site.execution(segment).name, Stage::Advance(0));
            }),
            Act::Begin(_) | Act::ClockTo(_) => {}
        }
        self.changes.insert(name, change.clone());
        change
    }

    fn call(&mut self, change: &mut Change, who: Who, moment: usize, number: usize, is_lost: bool) {
        let call = self.tasks.waits_for(moment).iter().find(|call| call.number == number).unwrap().clone();
        if let Some(until) = call.until {
            change.now = change.now.max(until);
        }
        let now = change.now;
        let mut answer =
            if call.writes { self.write(change, |site| call.perform(site, now)) } else { call.perform(&change.site.site, now) };
        if is_lost {
            answer = call.lost();
            self.write(change, |site| site.observer.borrow_mut().disturbed(&site.store));
        }
        let begins_anew = matches!(who, Who::Reviewer(_) | Who::Canceller | Who::Settler(_)) && answer.is_refused_write();
        let moment =
            if begins_anew && self.scenario.forget { self.tasks.begin(who, now) } else { self.tasks.hear(moment, number, answer, now) };
        let Some(ending) = self.tasks.ending(moment).cloned() else {
            change.moment = Some(moment);
            return;
        };
        match (who, ending) {
            (Who::Worker { segment, .. }, Ending::Invoked(true)) => self.write(change, |site| {
                let execution = site.execution(segment);
                if !execution.is_over() {
                    site.executions.set_stage(&execution.name, Stage::Succeeded);
                }
            }),
            (Who::Reviewer(number), Ending::Voted(Some((round, verdict)))) => {
                let Reviewer { actor, gate, .. } = &self.scenario.reviewers[number];
                self.write(change, |site| site.observer.borrow_mut().decided(&site.store, (*gate, round), &actor.id, verdict));
            }
            (Who::Reviewer(number), Ending::Revised(Some(gate))) => {
                let Reviewer { actor, says, .. } = &self.scenario.reviewers[number];
                let Says::Changes(note) = says else { return };
                self.write(change, |site| site.observer.borrow_mut().revised(&site.store, &gate, &actor.id, note));
            }
            (Who::Canceller, Ending::Cancelled(true)) => self.write(change, |site| site.observer.borrow_mut().cancelled(&site.store)),
            (Who::Settler(segment), Ending::Settled(true)) => change.settled = Some(segment),
            (_, Ending::Invoked(false)) => self.failed(change, who),
            _ => {}
        }
    }

    /// An invocation has failed: its execution invokes again, unless it has done so too often.
    fn failed(&mut self, change: &mut Change, who: Who) {
        let Who::Worker { segment, failures } = who else { return };
        let stage = if failures + 1 < self.scenario.attempts { Stage::Advance(failures + 1) } else { Stage::Failed };
        self.write(change, |site| {
            let execution = site.execution(segment);
            if !execution.is_over() {
                site.executions.set_stage(&execution.name, stage);
            }
        });
    }

    /// Something changes what is shared; then everything is looked at.
    fn write<T>(&mut self, change: &mut Change, act: impl FnOnce(&Site) -> T) -> T {
        let site = change.site.site.copy();
        let answer = act(&site);
        site.observer.borrow_mut().look(&site.store, change.now);
        let mark = site.mark();
        change.site = Rc::clone(self.sites.entry(mark).or_insert_with(|| Rc::new(Known::new(site))));
        answer
    }

    /// How the state was come to that is being tried.
    fn way(&self) -> Vec<String> {
        let mut way = Vec::new();
        let mut at = self.trying;
        while let Some((from, act)) = at {
            way.push(format!("{act:?}"));
            at = self.came_by[from as usize];
        }
        way.reverse();
        way
    }

    fn sum_up(self) -> Result<Explored, Broken> {
        let states = self.came_by.len();
        let circles = || Broken { what: "I4: a run goes round in circles".to_owned(), way: Vec::new() };
        let Orders { number: orders, longest } = Orders::of(states, &self.steps).ok_or_else(circles)?;
        let (steps, sites, histories) = (self.steps.len(), self.sites.into_keys().collect(), self.tasks.len());
        Ok(Explored { states, steps, sites, histories, orders, longest, ends: self.ends })
    }
}
