//! Everybody who acts on a run, and where each of them stands.

use std::collections::HashMap;

use domain::access::Actor;
use domain::flow::{NodeId, Spec};
use domain::gate::{Ballot, BallotOutcome, DecisionTarget, Gate, Verdict};
use domain::id::{ApprovalId, OrgId, RunId};
use domain::time::Time;
use engine::{Engine, Invocation};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use testkit::Memory;
use testkit::build::actor;

use crate::tape::{Answer, Call, Heard, Next, Stand, Tape, replay};

/// How long an invocation may take, in seconds.
const INVOCATION_SECONDS: u64 = 900;

/// An actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    /// The invocation for which the execution of a segment waits, after this number of failed ones.
    Worker {
        segment: u32,
        failures: u32,
    },
    /// An invocation that no execution waits for.
    Duplicate {
        segment: u32,
        number: usize,
    },
    /// A reviewer, by number.
    Reviewer(usize),
    Canceller,
    /// Hears that the execution of a segment has failed.
    Settler(u32),
    /// Dispatches pending effects.
    Reconciler,
}

/// The final answer that an actor got.
#[derive(Debug, Clone)]
pub enum Ending {
    /// An invocation, and whether it succeeded.
    Invoked(bool),
    /// Whether the ballot decided the gate, in which round and how.
    Voted(Option<(u32, Verdict)>),
    /// Whether changes were requested, and the gate then.
    Revised(Option<Box<Gate>>),
    /// Whether the run was called off.
    Cancelled(bool),
    /// Whether the news was taken.
    Settled(bool),
    Reconciled,
}

/// A reviewer, and what they will say.
#[derive(Debug, Clone)]
pub struct Reviewer {
    pub actor: Actor,
    pub gate: &'static str,
    /// The round of the gate that the reviewer has on the screen.
    pub round: u32,
    pub says: Says,
}

/// What a reviewer says.
#[derive(Debug, Clone)]
pub enum Says {
    Vote(Ballot),
    /// They request changes, with this note.
    Changes(&'static str),
}

/// A point in the life of a task: what it has heard so far, and what it waits for now.
struct Moment {
    before: Option<(usize, Heard)>,
    begun: (Who, Time),
    waits_for: Vec<Call>,
    ending: Option<Ending>,
    next: Next,
}

/// The moments of all tasks that were ever begun. Each is played once, however many states it is part of; a moment's number
/// stands for all that its task has heard, so it determines what the task does next.
pub struct Tasks {
    run: RunId,
    org: OrgId,
    library: Memory,
    reviewers: Vec<Reviewer>,
    moments: Vec<Moment>,
    begun: HashMap<(Who, Time), usize>,
}

impl Tasks {
    pub fn new(run: RunId, org: OrgId, library: Memory, reviewers: Vec<Reviewer>) -> Self {
        Self { run, org, library, reviewers, moments: Vec::new(), begun: HashMap::new() }
    }

    /// How many moments there are.
    pub fn len(&self) -> usize {
        self.moments.len()
    }

    pub fn waits_for(&self, moment: usize) -> &[Call] {
        &self.moments[moment].waits_for
    }

    pub fn ending(&self, moment: usize) -> Option<&Ending> {
        self.moments[moment].ending.as_ref()
    }

    /// An actor begins to act.
    pub fn begin(&mut self, who: Who, now: Time) -> usize {
        if let Some(moment) = self.begun.get(&(who, now)) {
            return *moment;
        }
        let moment = self.play((who, now), None);
        self.begun.insert((who, now), moment);
        moment
    }

    /// A task hears an answer.
    pub fn hear(&mut self, moment: usize, call: usize, answer: Answer, now: Time) -> usize {
        let name = (call, answer.mark, now);
        if let Some(next) = self.moments[moment].next.get(&name) {
            return *next;
        }
        let next = self.play(self.moments[moment].begun, Some((moment, Heard { call, answer, now })));
        self.moments[moment].next.insert(name, next);
        next
    }

    /// What a reviewer names: the node in its first round, and then the approval of the round.
    fn target(&self, number: usize) -> DecisionTarget {
        let Reviewer { gate, round, .. } = &self.reviewers[number];
        let node: NodeId = gate.parse().unwrap();
        let run = self.library.stored_run(&self.run).unwrap();
        let position = Spec::parse(&self.library.stored_version(&run).spec).unwrap().position(&node).unwrap().position();
        let approval = (*round > 1).then(|| ApprovalId::of_run(&self.run, position, *round).unwrap());
        DecisionTarget { approval, node: Some(node), shown_sha256: None }
    }

    fn play(&mut self, begun: (Who, Time), before: Option<(usize, Heard)>) -> usize {
        let mut heard = Vec::new();
        let mut last = before.as_ref();
        while let Some((moment, answer)) = last {
            heard.push(answer.clone());
            last = self.moments[*moment].before.as_ref();
        }
        heard.reverse();
        let (who, now) = begun;
        let (waits_for, ending) = match replay(&self.library, now, &heard, |tape| self.task(who, now, tape)) {
            Stand::At(calls) => {
                assert!(!calls.is_empty(), "I4: {who:?} waits for nothing");
                (calls, None)
            }
            Stand::Ended(ending) => (Vec::new(), Some(ending)),
        };
        self.moments.push(Moment { before, begun, waits_for, ending, next: Next::new() });
        self.moments.len() - 1
    }

    /// The engine's own future for what an actor does.
    fn task(&self, who: Who, now: Time, tape: Tape) -> LocalBoxFuture<'static, Ending> {
        let (run, org) = (self.run, self.org);
        let engine = Engine::new(tape.clone(), tape.clone(), tape.clone(), tape.clone());
        match who {
            Who::Worker { segment, .. } | Who::Duplicate { segment, .. } => {
                let invocation = Invocation { run, segment, owner: format!("{who:?}"), deadline: now.plus_seconds(INVOCATION_SECONDS) };
                async move { Ending::Invoked(engine.advance(&tape, &tape, &invocation).await.is_ok()) }.boxed_local()
            }
            Who::Reviewer(number) => {
                let Reviewer { actor, says, .. } = self.reviewers[number].clone();
                let target = self.target(number);
                match says {
                    Says::Vote(ballot) => async move {
                        let decided = engine.decide(&org, &run, &target, &actor, ballot).await;
                        Ending::Voted(decided.ok().and_then(|decided| match decided.counted {
                            BallotOutcome::Decided(verdict) => Some((decided.gate.basis.round, verdict)),
                            _ => None,
                        }))
                    }
                    .boxed_local(),
                    Says::Changes(note) => async move {
                        let requested = engine.request_changes(&org, &run, &target, &actor, note).await;
                        Ending::Revised(requested.ok().map(|requested| Box::new(requested.gate)))
                    }
                    .boxed_local(),
                }
            }
            Who::Canceller => {
                async move { Ending::Cancelled(engine.cancel(&org, &run, &actor("usr_canceller"), None).await.is_ok()) }.boxed_local()
            }
            Who::Settler(segment) => {
                async move { Ending::Settled(engine.settle(&run, segment, "the execution failed").await.is_ok()) }.boxed_local()
            }
            Who::Reconciler => async move {
                _ = engine.reconcile(&tape).await;
                Ending::Reconciled
            }
            .boxed_local(),
        }
    }
}
