//! A model of a run that does not use the planning of the domain, to compare a run with after every event.

use domain::access::RecordedActor;
use domain::flow::{NodeIx, NodeKind, Spec};
use domain::gate::Verdict;
use domain::run::{Exit, NodeStatus, PendingEffect, Plan, Run, RunStatus, TransitionError};
use domain::time::Time;
use proptest::prelude::*;

use super::dag::{Dag, Kind, Way};
use super::{GATE_SECONDS, at};

/// The state of a node in the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeModel {
    Waiting,
    UnderWay,
    Retrying(Time),
    Open(Time),
    /// The node finished and was left this way; none: it failed without a route.
    Left(Option<Way>),
    Skipped,
    Cancelled,
    /// The run was abandoned while it was under way.
    Lost,
}

impl NodeModel {
    pub fn is_final(self) -> bool {
        matches!(self, Self::Left(_) | Self::Skipped | Self::Cancelled | Self::Lost)
    }

    pub fn status(self) -> NodeStatus {
        match self {
            Self::Waiting => NodeStatus::Pending,
            Self::UnderWay | Self::Retrying(_) => NodeStatus::Running,
            Self::Open(_) => NodeStatus::AwaitingApproval,
            Self::Left(None | Some(Way::Error)) | Self::Lost => NodeStatus::Failed,
            Self::Left(Some(_)) => NodeStatus::Succeeded,
            Self::Skipped => NodeStatus::Skipped,
            Self::Cancelled => NodeStatus::Cancelled,
        }
    }
}

/// An event of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Start(usize),
    Open(usize),
    Leave(usize, Way),
    Break(usize),
    Retry(usize),
    Decide(usize, Verdict),
    /// Changes are requested at the gate.
    Revise(usize),
    /// Time passes until the next node is due or the next gate expires.
    Tick,
    /// The segment ends.
    HandOn,
    /// The next invocation claims the run.
    Claim,
    /// The invocation crashes, and another one takes over.
    Crash,
    Cancel,
    Abandon,
}

/// A run, and a model of what it should be.
pub struct ModelledRun {
    pub dag: Dag,
    pub spec: Spec,
    pub run: Run,
    pub now: Time,
    pub invocations: u32,
    pub was: Vec<NodeModel>,
    pub attempts: Vec<u32>,
    pub decisions: Vec<u32>,
    pub rounds: Vec<u32>,
    pub failing: bool,
    pub ended: Option<RunStatus>,
}

impl ModelledRun {
    pub fn new(dag: Dag) -> Self {
        let spec = Spec::parse(&dag.spec()).unwrap();
        let run = super::new_run(&spec);
        let nodes = dag.len();
        Self {
            spec,
            run,
            now: at(0),
            invocations: 0,
            was: vec![NodeModel::Waiting; nodes],
            attempts: vec![0; nodes],
            decisions: vec![0; nodes],
            rounds: vec![1; nodes],
            failing: false,
            ended: None,
            dag,
        }
    }

    pub fn ix(&self, node: usize) -> NodeIx {
        self.spec.position(&Dag::id(node).parse().unwrap()).unwrap()
    }

    pub fn nodes(&self) -> std::ops::Range<usize> {
        0..self.dag.len()
    }

    pub fn is_taken(&self, link: &super::dag::Link) -> bool {
        self.was[link.from] == NodeModel::Left(Some(link.way))
    }

    /// I1 in the model's own words: everything that leads here is final, and one of the ways was taken.
    pub fn may_begin(&self, node: usize) -> bool {
        self.was[node] == NodeModel::Waiting
            && !self.failing
            && self.ended.is_none()
            && self.dag.leading_to(node).all(|link| self.was[link.from].is_final())
            && (node == 0 || self.dag.leading_to(node).any(|link| self.is_taken(link)))
    }

    /// What follows from what has happened: untaken branches are skipped, and the run ends when nothing is left.
    pub fn conclude(&mut self) {
        if self.ended.is_some() {
            return;
        }
        if self.failing {
            if !self.was.contains(&NodeModel::UnderWay) {
                self.end(RunStatus::Failed);
            }
            return;
        }
        for node in self.nodes() {
            let all_final = self.dag.leading_to(node).all(|link| self.was[link.from].is_final());
            if self.was[node] == NodeModel::Waiting && all_final && node != 0 && !self.dag.leading_to(node).any(|link| self.is_taken(link))
            {
                self.was[node] = NodeModel::Skipped;
            }
        }
        if self.was.iter().all(|was| was.is_final()) {
            self.end(RunStatus::Succeeded);
        }
    }

    pub fn end(&mut self, status: RunStatus) {
        self.ended = Some(status);
        for was in self.was.iter_mut().filter(|was| !was.is_final()) {
            *was = NodeModel::Cancelled;
        }
    }

    pub fn leave(&mut self, node: usize, way: Option<Way>) {
        self.was[node] = NodeModel::Left(way);
        self.attempts[node] = self.attempts[node].max(1);
        self.failing |= way.is_none();
        self.conclude();
    }

    /// The ways by which a node that is under way may be left, and the route it takes if it breaks.
    pub fn ways_out(&self, node: usize) -> Vec<Way> {
        match self.dag.kinds[node] {
            Kind::Task => vec![Way::Plain],
            Kind::Decision => self.dag.out_of(node).map(|link| link.way).filter(|way| matches!(way, Way::Case(_))).collect(),
            Kind::Gate => Vec::new(),
        }
    }

    pub fn routed(&self, node: usize, way: Way) -> Option<Way> {
        self.dag.leads(node, way).then_some(way)
    }

    /// What may happen now, whatever brings the run on first.
    pub fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        let driven = self.run.execution.owner.is_some();
        for node in self.nodes().filter(|_| driven) {
            match self.was[node] {
                NodeModel::UnderWay => {
                    events.extend(self.ways_out(node).into_iter().map(|way| Event::Leave(node, way)));
                    events.push(Event::Break(node));
                    if self.attempts[node] < 4 {
                        events.push(Event::Retry(node));
                    }
                }
                NodeModel::Retrying(due) if due <= self.now && !self.failing => events.push(Event::Start(node)),
                _ if self.may_begin(node) && self.dag.kinds[node] == Kind::Gate => events.extend([Event::Open(node), Event::Break(node)]),
                _ if self.may_begin(node) => events.push(Event::Start(node)),
                _ => {}
            }
        }
        for node in self.nodes().filter(|_| !self.failing) {
            if let NodeModel::Open(deadline) = self.was[node] {
                events.extend([Event::Decide(node, Verdict::Approved), Event::Decide(node, Verdict::Rejected)]);
                if deadline <= self.now && driven {
                    events.push(Event::Decide(node, Verdict::Expired));
                }
            }
        }
        events.extend(self.nodes().filter(|node| self.may_revise(*node)).map(Event::Revise));
        if !driven {
            events.push(Event::Claim);
        }
        if self.next_alarm().is_some() {
            events.push(Event::Tick);
            if driven && !self.was.contains(&NodeModel::UnderWay) && !self.nodes().any(|node| self.may_begin(node)) {
                events.push(Event::HandOn);
            }
        }
        events
    }

    /// Whether changes may be requested at a gate: it is open, in a round before its last, and there is a draft.
    pub fn may_revise(&self, node: usize) -> bool {
        let is_open = matches!(self.was[node], NodeModel::Open(_)) && !self.failing && self.ended.is_none();
        let has_draft = |draft: usize| matches!(self.was[draft], NodeModel::Left(Some(Way::Plain)));
        let revise = self.dag.revise.filter(|(gate, ..)| *gate == node);
        is_open && revise.is_some_and(|(_, draft, most)| self.rounds[node] < most && has_draft(draft))
    }

    pub fn next_alarm(&self) -> Option<Time> {
        let due = self.was.iter().filter_map(|was| match was {
            NodeModel::Retrying(due) | NodeModel::Open(due) if *due > self.now && !self.failing => Some(*due),
            _ => None,
        });
        due.min()
    }

    /// Lets it happen to the run and to the model.
    pub fn happen(&mut self, event: Event) -> Result<(), TransitionError> {
        let now = self.now;
        match event {
            Event::Start(node) => {
                self.run.start(&self.spec, self.ix(node), now)?;
                self.was[node] = NodeModel::UnderWay;
                self.attempts[node] += 1;
            }
            Event::Open(node) => {
                let deadline = now.plus_seconds(GATE_SECONDS);
                self.run.open_gate(&self.spec, self.ix(node), deadline, now)?;
                self.was[node] = NodeModel::Open(deadline);
                self.attempts[node] += 1;
            }
            Event::Leave(node, way) => {
                let exit = self.exit(node, way);
                self.run.succeed(&self.spec, self.ix(node), exit, now)?;
                self.leave(node, Some(way));
            }
            Event::Break(node) => {
                self.run.fail(&self.spec, self.ix(node), "broke", now)?;
                self.leave(node, self.routed(node, Way::Error));
            }
            Event::Retry(node) => {
                let due = now.plus_seconds(30);
                self.run.retry_at(&self.spec, self.ix(node), due, now)?;
                self.was[node] = NodeModel::Retrying(due);
                self.conclude();
            }
            Event::Decide(node, verdict) => {
                self.run.decide(&self.spec, self.ix(node), verdict, "no", now)?;
                self.decisions[node] += 1;
                let way = match verdict {
                    Verdict::Approved => Some(Way::Plain),
                    Verdict::Rejected => self.routed(node, Way::Rejected),
                    Verdict::Expired => self.routed(node, Way::Expired),
                };
                self.leave(node, way);
            }
            Event::Revise(node) => {
                let (_, draft, _) = self.dag.revise.unwrap();
                let revised = self.run.revise(&self.spec, self.ix(node), now)?;
                assert_eq!((revised.round, revised.draft.round), (self.rounds[node], self.rounds[draft]));
                for again in self.dag.again(node, draft) {
                    (self.was[again], self.attempts[again], self.decisions[again]) = (NodeModel::Waiting, 0, 0);
                    self.rounds[again] += 1;
                }
                self.conclude();
            }
            Event::Tick => self.now = self.next_alarm().unwrap_or(now),
            Event::HandOn => self.run.end_segment(Plan::of(&self.run, &self.spec, now).wake_at, now)?,
            Event::Claim => self.claim()?,
            Event::Crash => {
                self.claim()?;
                for node in self.nodes().filter(|node| self.was[*node] == NodeModel::UnderWay).collect::<Vec<_>>() {
                    self.run.start(&self.spec, self.ix(node), now)?;
                    self.attempts[node] += 1;
                }
            }
            Event::Cancel => {
                self.run.cancel(RecordedActor::named("usr_x"), None, now)?;
                self.end(RunStatus::Cancelled);
            }
            Event::Abandon => {
                self.run.abandon(self.run.execution.segment, "gone", now)?;
                for was in self.was.iter_mut().filter(|was| **was == NodeModel::UnderWay) {
                    *was = NodeModel::Lost;
                }
                self.end(RunStatus::Failed);
            }
        }
        Ok(())
    }

    pub fn claim(&mut self) -> Result<(), TransitionError> {
        self.invocations += 1;
        self.run.claim(&format!("inv-{}", self.invocations), self.run.execution.segment)
    }

    pub fn exit(&self, node: usize, way: Way) -> Exit {
        match (way, &self.spec.node(self.ix(node)).kind) {
            (Way::Case(number), NodeKind::Decision(decision)) => {
                Exit::case(decision.cases.keys().position(|case| *case == Dag::case(number)).unwrap())
            }
            _ => Exit::Normal,
        }
    }

    /// The run is what the model says, and can do what the model says.
    pub fn check(&self) -> Result<(), TestCaseError> {
        for node in self.nodes() {
            let state = self.run.progress.get(self.ix(node));
            prop_assert_eq!(state.status, self.was[node].status(), "node {}", node);
            prop_assert_eq!(state.attempts, self.attempts[node], "attempts of node {}", node);
            prop_assert!(self.decisions[node] <= 1, "node {} was decided {} times", node, self.decisions[node]);
            prop_assert_eq!(self.run.round_of(&Dag::id(node).parse().unwrap()), self.rounds[node], "the round of node {}", node);
            if self.was[node] == NodeModel::Skipped {
                prop_assert_eq!(self.attempts[node], 0, "a skipped node began");
            }
        }
        let open = self.was.iter().any(|was| matches!(was, NodeModel::Open(_)));
        if let Some((gate, draft, most)) = self.dag.revise {
            prop_assert!(self.rounds[gate] <= most, "the rounds are exhausted");
            // What a reviewer can still change has not been used: everything else after the draft waits for the gate, or is not taken.
            let upstream: Vec<usize> = self.nodes().filter(|node| self.dag.again(gate, *node).contains(&gate)).collect();
            let beside = self.dag.again(gate, draft).into_iter().filter(|node| *node != gate && !upstream.contains(node));
            if matches!(self.was[gate], NodeModel::Open(_)) {
                for node in beside {
                    let is_unused = matches!(self.was[node], NodeModel::Waiting | NodeModel::Skipped);
                    prop_assert!(is_unused, "node {} has used the draft {} before gate {} is decided", node, draft, gate);
                }
            }
        }
        let plan = Plan::of(&self.run, &self.spec, self.now);
        if let Some(ended) = self.ended {
            prop_assert_eq!(self.run.status, ended);
            prop_assert!(self.run.finished_at.is_some());
            prop_assert!(self.was.iter().all(|was| was.is_final()));
            prop_assert_eq!(plan, Plan::default());
            return Ok(());
        }
        prop_assert!(self.run.finished_at.is_none());
        prop_assert_eq!(self.run.error.is_some(), self.failing);
        if self.failing {
            prop_assert!(self.was.contains(&NodeModel::UnderWay), "a failing run in which nothing is under way is stuck");
            prop_assert_eq!(plan, Plan::default());
            return Ok(());
        }
        prop_assert_eq!(self.run.status, if open { RunStatus::AwaitingApproval } else { RunStatus::Running });
        let sorted = |mut nodes: Vec<NodeIx>| {
            nodes.sort_unstable();
            nodes
        };
        let is_due = |was: NodeModel| matches!(was, NodeModel::Retrying(due) if due <= self.now);
        let ready = self.nodes().filter(|node| self.may_begin(*node) || is_due(self.was[*node])).map(|node| self.ix(node));
        prop_assert_eq!(sorted(plan.ready.clone()), sorted(ready.collect()));
        let overdue =
            self.nodes().filter(|node| matches!(self.was[*node], NodeModel::Open(due) if due <= self.now)).map(|node| self.ix(node));
        prop_assert_eq!(sorted(plan.overdue.clone()), sorted(overdue.collect()));
        prop_assert_eq!(plan.wake_at, self.next_alarm());
        let goes_on =
            self.was.contains(&NodeModel::UnderWay) || !plan.ready.is_empty() || !plan.overdue.is_empty() || plan.wake_at.is_some();
        prop_assert!(goes_on, "the run is stuck");
        Ok(())
    }

    /// Whatever the model does not allow, the run refuses, and stays as it is.
    pub fn check_refusals(&self) -> Result<(), TestCaseError> {
        let mut run = self.run.clone();
        let (spec, now) = (&self.spec, self.now);
        for node in self.nodes() {
            let (ix, was) = (self.ix(node), self.was[node]);
            let may_work = self.ended.is_none()
                && (was == NodeModel::UnderWay || self.may_begin(node) || matches!(was, NodeModel::Retrying(_)) && !self.failing);
            if !may_work {
                prop_assert!(run.start(spec, ix, now).is_err(), "node {} started", node);
                prop_assert!(run.open_gate(spec, ix, now, now).is_err(), "gate {} opened", node);
                prop_assert!(run.succeed(spec, ix, Exit::Normal, now).is_err(), "node {} succeeded", node);
                prop_assert!(run.fail(spec, ix, "x", now).is_err(), "node {} failed", node);
            }
            if !self.may_revise(node) {
                prop_assert!(run.revise(spec, ix, now).is_err(), "node {} was sent back", node);
            }
            if was != NodeModel::UnderWay {
                prop_assert!(run.retry_at(spec, ix, now, now).is_err(), "node {} is retried", node);
            }
            if self.failing || !matches!(was, NodeModel::Open(_)) {
                for verdict in Verdict::ALL {
                    prop_assert!(run.decide(spec, ix, *verdict, "x", now).is_err(), "node {} was decided", node);
                }
            }
        }
        prop_assert_eq!(run.claim("late", self.run.execution.segment + 1), Err(TransitionError::Superseded));
        prop_assert_eq!(run.claim("early", self.run.execution.segment - 1), Err(TransitionError::Superseded));
        if let Some(ended) = self.ended {
            let refusal = Err(TransitionError::Ended(ended));
            prop_assert_eq!(run.cancel(RecordedActor::named("x"), None, now), refusal.clone());
            prop_assert_eq!(run.abandon(self.run.execution.segment, "x", now), refusal.clone());
            prop_assert_eq!(run.end_segment(None, now), refusal.clone());
            prop_assert_eq!(run.must_be_driven_by("x"), refusal);
        }
        prop_assert_eq!(&run, &self.run, "a refusal changed the run");
        Ok(())
    }

    /// Checks what an event leaves for the invocation that drives the run.
    pub fn check_drive(&self, before: &Run, event: Event) -> Result<(), TestCaseError> {
        let (was, is) = (&before.execution, &self.run.execution);
        match event {
            Event::Claim | Event::Crash => {
                prop_assert!(is.owner.is_some() && is.owner != was.owner);
                prop_assert_eq!((is.segment, is.pending, &is.token), (was.segment, None, &None));
            }
            Event::HandOn => {
                prop_assert_eq!((is.segment, is.pending, &is.owner), (was.segment + 1, Some(PendingEffect::StartExecution), &None));
            }
            Event::Decide(..) | Event::Revise(_) if was.owner.is_none() => {
                prop_assert_eq!(is.pending, Some(PendingEffect::SendTaskSuccess));
            }
            _ if self.ended.is_some() => {
                let is_cut_off = |ix: &NodeIx| self.run.progress.get(*ix).status == NodeStatus::Cancelled;
                let cut_off = before.progress.with_status(NodeStatus::AwaitingApproval).find(is_cut_off);
                let pending = cut_off.map(|_| PendingEffect::CloseGates);
                prop_assert_eq!((is.pending, &is.owner), (pending, &None));
            }
            _ => prop_assert_eq!(is, was),
        }
        Ok(())
    }

    pub fn step(&mut self, choice: u16) -> Result<(), TestCaseError> {
        let driven = self.run.execution.owner.is_some();
        let events = self.events();
        prop_assert!(!events.is_empty(), "nothing can happen any more");
        let event = match choice >> 8 {
            255 => Event::Abandon,
            254 => Event::Cancel,
            230..254 if driven => Event::Crash,
            _ => events[usize::from(choice & 0xff) % events.len()],
        };
        let before = self.run.clone();
        let result = self.happen(event);
        prop_assert_eq!(&result, &Ok(()), "{:?} was refused", event);
        self.check_drive(&before, event)?;
        self.check()?;
        self.check_refusals()
    }
}
