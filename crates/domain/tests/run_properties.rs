//! Random flows under random orders of events, held step by step against a model that knows nothing of the domain's planning.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up should stop at once")]

mod common;

use common::dag::{Dag, Kind, Way, dags};
use common::{GATE_SECONDS, at};
use domain::flow::{NodeIx, NodeKind, Spec};
use domain::gate::Verdict;
use domain::run::{Exit, NodeStatus, PendingEffect, Plan, Run, RunStatus, TransitionError};
use domain::time::Time;
use proptest::collection::vec;
use proptest::prelude::*;

/// Where the model has a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Was {
    Waiting,
    UnderWay,
    Retrying(Time),
    Open(Time),
    /// Done, and left by this way; none: it failed and nobody dealt with it.
    Left(Option<Way>),
    Skipped,
    Cancelled,
    /// The run was abandoned while it was under way.
    Lost,
}

impl Was {
    fn is_final(self) -> bool {
        matches!(self, Self::Left(_) | Self::Skipped | Self::Cancelled | Self::Lost)
    }

    fn status(self) -> NodeStatus {
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

/// Something that can happen to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Start(usize),
    Open(usize),
    Leave(usize, Way),
    Break(usize),
    Retry(usize),
    Decide(usize, Verdict),
    /// Time passes until the clock has something to say.
    Tick,
    /// The segment ends.
    HandOn,
    /// The next invocation comes.
    Claim,
    /// The invocation dies, and another one takes over.
    Crash,
    Cancel,
    Abandon,
}

/// The run, and beside it what it should be.
struct World {
    dag: Dag,
    spec: Spec,
    run: Run,
    now: Time,
    invocations: u32,
    was: Vec<Was>,
    attempts: Vec<u32>,
    decisions: Vec<u32>,
    failing: bool,
    ended: Option<RunStatus>,
}

impl World {
    fn new(dag: Dag) -> Self {
        let spec = Spec::parse(&dag.spec()).unwrap();
        let run = common::new_run(&spec);
        let nodes = dag.len();
        Self {
            spec,
            run,
            now: at(0),
            invocations: 0,
            was: vec![Was::Waiting; nodes],
            attempts: vec![0; nodes],
            decisions: vec![0; nodes],
            failing: false,
            ended: None,
            dag,
        }
    }

    fn ix(&self, node: usize) -> NodeIx {
        self.spec.position(&Dag::id(node).parse().unwrap()).unwrap()
    }

    fn nodes(&self) -> std::ops::Range<usize> {
        0..self.dag.len()
    }

    fn is_taken(&self, link: &common::dag::Link) -> bool {
        self.was[link.from] == Was::Left(Some(link.way))
    }

    /// I1 in the model's own words: everything that leads here is final, and one of the ways was taken.
    fn may_begin(&self, node: usize) -> bool {
        self.was[node] == Was::Waiting
            && !self.failing
            && self.ended.is_none()
            && self.dag.leading_to(node).all(|link| self.was[link.from].is_final())
            && (node == 0 || self.dag.leading_to(node).any(|link| self.is_taken(link)))
    }

    /// What follows from what has happened: untaken branches are skipped, and the run ends when nothing is left.
    fn conclude(&mut self) {
        if self.ended.is_some() {
            return;
        }
        if self.failing {
            if !self.was.contains(&Was::UnderWay) {
                self.end(RunStatus::Failed);
            }
            return;
        }
        for node in self.nodes() {
            let all_final = self.dag.leading_to(node).all(|link| self.was[link.from].is_final());
            if self.was[node] == Was::Waiting && all_final && node != 0 && !self.dag.leading_to(node).any(|link| self.is_taken(link)) {
                self.was[node] = Was::Skipped;
            }
        }
        if self.was.iter().all(|was| was.is_final()) {
            self.end(RunStatus::Succeeded);
        }
    }

    fn end(&mut self, status: RunStatus) {
        self.ended = Some(status);
        for was in self.was.iter_mut().filter(|was| !was.is_final()) {
            *was = Was::Cancelled;
        }
    }

    fn leave(&mut self, node: usize, way: Option<Way>) {
        self.was[node] = Was::Left(way);
        self.attempts[node] = self.attempts[node].max(1);
        self.failing |= way.is_none();
        self.conclude();
    }

    /// The ways by which a node that is under way may be left, and the route it takes if it breaks.
    fn ways_out(&self, node: usize) -> Vec<Way> {
        match self.dag.kinds[node] {
            Kind::Task => vec![Way::Plain],
            Kind::Decision => self.dag.out_of(node).map(|link| link.way).filter(|way| matches!(way, Way::Case(_))).collect(),
            Kind::Gate => Vec::new(),
        }
    }

    fn routed(&self, node: usize, way: Way) -> Option<Way> {
        self.dag.leads(node, way).then_some(way)
    }

    /// What may happen now, whatever brings the run on first.
    fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        let driven = self.run.execution.owner.is_some();
        for node in self.nodes().filter(|_| driven) {
            match self.was[node] {
                Was::UnderWay => {
                    events.extend(self.ways_out(node).into_iter().map(|way| Event::Leave(node, way)));
                    events.push(Event::Break(node));
                    if self.attempts[node] < 4 {
                        events.push(Event::Retry(node));
                    }
                }
                Was::Retrying(due) if due <= self.now && !self.failing => events.push(Event::Start(node)),
                _ if self.may_begin(node) && self.dag.kinds[node] == Kind::Gate => events.extend([Event::Open(node), Event::Break(node)]),
                _ if self.may_begin(node) => events.push(Event::Start(node)),
                _ => {}
            }
        }
        for node in self.nodes().filter(|_| !self.failing) {
            if let Was::Open(deadline) = self.was[node] {
                events.extend([Event::Decide(node, Verdict::Approved), Event::Decide(node, Verdict::Rejected)]);
                if deadline <= self.now && driven {
                    events.push(Event::Decide(node, Verdict::Expired));
                }
            }
        }
        if !driven {
            events.push(Event::Claim);
        }
        if self.next_alarm().is_some() {
            events.push(Event::Tick);
            if driven && !self.was.contains(&Was::UnderWay) && !self.nodes().any(|node| self.may_begin(node)) {
                events.push(Event::HandOn);
            }
        }
        events
    }

    fn next_alarm(&self) -> Option<Time> {
        let due = self.was.iter().filter_map(|was| match was {
            Was::Retrying(due) | Was::Open(due) if *due > self.now && !self.failing => Some(*due),
            _ => None,
        });
        due.min()
    }

    /// Lets it happen to the run and to the model.
    fn happen(&mut self, event: Event) -> Result<(), TransitionError> {
        let now = self.now;
        match event {
            Event::Start(node) => {
                self.run.start(&self.spec, self.ix(node), now)?;
                self.was[node] = Was::UnderWay;
                self.attempts[node] += 1;
            }
            Event::Open(node) => {
                let deadline = now.plus_seconds(GATE_SECONDS);
                self.run.open_gate(&self.spec, self.ix(node), deadline, now)?;
                self.was[node] = Was::Open(deadline);
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
                self.was[node] = Was::Retrying(due);
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
            Event::Tick => self.now = self.next_alarm().unwrap_or(now),
            Event::HandOn => self.run.end_segment(Plan::of(&self.run, &self.spec, now).wake_at)?,
            Event::Claim => self.claim()?,
            Event::Crash => {
                self.claim()?;
                for node in self.nodes().filter(|node| self.was[*node] == Was::UnderWay).collect::<Vec<_>>() {
                    self.run.start(&self.spec, self.ix(node), now)?;
                    self.attempts[node] += 1;
                }
            }
            Event::Cancel => {
                self.run.cancel("usr_x", None, now)?;
                self.end(RunStatus::Cancelled);
            }
            Event::Abandon => {
                self.run.abandon(self.run.execution.segment, "gone", now)?;
                for was in self.was.iter_mut().filter(|was| **was == Was::UnderWay) {
                    *was = Was::Lost;
                }
                self.end(RunStatus::Failed);
            }
        }
        Ok(())
    }

    fn claim(&mut self) -> Result<(), TransitionError> {
        self.invocations += 1;
        self.run.claim(&format!("inv-{}", self.invocations), self.run.execution.segment)
    }

    fn exit(&self, node: usize, way: Way) -> Exit {
        match (way, &self.spec.node(self.ix(node)).kind) {
            (Way::Case(number), NodeKind::Decision(decision)) => {
                Exit::case(decision.cases.keys().position(|case| *case == Dag::case(number)).unwrap())
            }
            _ => Exit::Normal,
        }
    }

    /// The run is what the model says, and can do what the model says.
    fn check(&self) -> Result<(), TestCaseError> {
        for node in self.nodes() {
            let state = self.run.progress.get(self.ix(node));
            prop_assert_eq!(state.status, self.was[node].status(), "node {}", node);
            prop_assert_eq!(state.attempts, self.attempts[node], "attempts of node {}", node);
            prop_assert!(self.decisions[node] <= 1, "node {} was decided {} times", node, self.decisions[node]);
            if self.was[node] == Was::Skipped {
                prop_assert_eq!(self.attempts[node], 0, "a skipped node began");
            }
        }
        let open = self.was.iter().any(|was| matches!(was, Was::Open(_)));
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
            prop_assert!(self.was.contains(&Was::UnderWay), "a failing run in which nothing is under way is stuck");
            prop_assert_eq!(plan, Plan::default());
            return Ok(());
        }
        prop_assert_eq!(self.run.status, if open { RunStatus::AwaitingApproval } else { RunStatus::Running });
        let sorted = |mut nodes: Vec<NodeIx>| {
            nodes.sort_unstable();
            nodes
        };
        let is_due = |was: Was| matches!(was, Was::Retrying(due) if due <= self.now);
        let ready = self.nodes().filter(|node| self.may_begin(*node) || is_due(self.was[*node])).map(|node| self.ix(node));
        prop_assert_eq!(sorted(plan.ready.clone()), sorted(ready.collect()));
        let overdue = self.nodes().filter(|node| matches!(self.was[*node], Was::Open(due) if due <= self.now)).map(|node| self.ix(node));
        prop_assert_eq!(sorted(plan.overdue.clone()), sorted(overdue.collect()));
        prop_assert_eq!(plan.wake_at, self.next_alarm());
        let goes_on = self.was.contains(&Was::UnderWay) || !plan.ready.is_empty() || !plan.overdue.is_empty() || plan.wake_at.is_some();
        prop_assert!(goes_on, "the run is stuck");
        Ok(())
    }

    /// Whatever the model does not allow, the run refuses, and stays as it is.
    fn check_refusals(&self) -> Result<(), TestCaseError> {
        let mut run = self.run.clone();
        let (spec, now) = (&self.spec, self.now);
        for node in self.nodes() {
            let (ix, was) = (self.ix(node), self.was[node]);
            let may_work =
                self.ended.is_none() && (was == Was::UnderWay || self.may_begin(node) || matches!(was, Was::Retrying(_)) && !self.failing);
            if !may_work {
                prop_assert!(run.start(spec, ix, now).is_err(), "node {} started", node);
                prop_assert!(run.open_gate(spec, ix, now, now).is_err(), "gate {} opened", node);
                prop_assert!(run.succeed(spec, ix, Exit::Normal, now).is_err(), "node {} succeeded", node);
                prop_assert!(run.fail(spec, ix, "x", now).is_err(), "node {} failed", node);
            }
            if was != Was::UnderWay {
                prop_assert!(run.retry_at(spec, ix, now, now).is_err(), "node {} is retried", node);
            }
            if self.failing || !matches!(was, Was::Open(_)) {
                for verdict in Verdict::ALL {
                    prop_assert!(run.decide(spec, ix, *verdict, "x", now).is_err(), "node {} was decided", node);
                }
            }
        }
        prop_assert_eq!(run.claim("late", self.run.execution.segment + 1), Err(TransitionError::Superseded));
        prop_assert_eq!(run.claim("early", self.run.execution.segment - 1), Err(TransitionError::Superseded));
        if let Some(ended) = self.ended {
            let refusal = Err(TransitionError::Ended(ended));
            prop_assert_eq!(run.cancel("x", None, now), refusal.clone());
            prop_assert_eq!(run.abandon(self.run.execution.segment, "x", now), refusal.clone());
            prop_assert_eq!(run.end_segment(None), refusal.clone());
            prop_assert_eq!(run.must_be_driven_by("x"), refusal);
        }
        prop_assert_eq!(&run, &self.run, "a refusal changed the run");
        Ok(())
    }

    /// What an event leaves behind for whoever drives the run.
    fn check_drive(&self, before: &Run, event: Event) -> Result<(), TestCaseError> {
        let (was, is) = (&before.execution, &self.run.execution);
        match event {
            Event::Claim | Event::Crash => {
                prop_assert!(is.owner.is_some() && is.owner != was.owner);
                prop_assert_eq!((is.segment, is.pending, &is.token), (was.segment, None, &None));
            }
            Event::HandOn => {
                prop_assert_eq!((is.segment, is.pending, &is.owner), (was.segment + 1, Some(PendingEffect::StartExecution), &None))
            }
            Event::Decide(..) if was.owner.is_none() => prop_assert_eq!(is.pending, Some(PendingEffect::SendTaskSuccess)),
            _ if self.ended.is_some() => prop_assert_eq!((is.pending, &is.owner), (None, &None)),
            _ => prop_assert_eq!(is, was),
        }
        Ok(())
    }

    fn step(&mut self, choice: u16) -> Result<(), TestCaseError> {
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    /// I1 to I4, as far as the state of a run goes: a node starts exactly when it may, nothing starts after the end, a gate is
    /// decided once, and a run always ends, or has something under way, due or open.
    #[test]
    fn in_every_order_of_events_a_run_does_what_its_flow_allows_and_comes_to_an_end(dag in dags(12), choices in vec(any::<u16>(), 0..80)) {
        let mut world = World::new(dag);
        world.check()?;
        // When the choices run out, the run is brought to its end by what comes first.
        for choice in choices.into_iter().chain(std::iter::repeat_n(0, 400)) {
            if world.ended.is_some() {
                break;
            }
            world.step(choice)?;
        }
        prop_assert!(world.ended.is_some(), "the run did not end");
        // Its segment may still wake: that changes nothing but what drives it.
        let before = world.run.clone();
        prop_assert_eq!(world.claim(), Ok(()));
        prop_assert_eq!((world.run.execution.pending, &world.run.execution.owner, &world.run.execution.token), (None, &None, &None));
        prop_assert_eq!(&Run { execution: before.execution.clone(), ..world.run.clone() }, &before);
        world.check()?;
        world.check_refusals()?;
    }

    /// The order in which parallel nodes come back does not decide what a run does.
    #[test]
    fn what_a_run_does_depends_on_how_nodes_are_left_and_not_on_their_order(dag in dags(12), left in vec(any::<u8>(), 12), orders in (vec(any::<u8>(), 40), vec(any::<u8>(), 40))) {
        let finish = |order: &[u8]| {
            let mut world = World::new(dag.clone());
            world.happen(Event::Claim).unwrap();
            for pick in order {
                // Each node always does the same thing: the one that its own choice says.
                let events: Vec<Event> = world
                    .nodes()
                    .filter_map(|node| {
                        let choice = usize::from(left[node]);
                        match world.was[node] {
                            Was::UnderWay if choice % 5 == 0 && world.dag.leads(node, Way::Error) => Some(Event::Break(node)),
                            Was::UnderWay => Some(Event::Leave(node, world.ways_out(node)[choice % world.ways_out(node).len()])),
                            Was::Open(_) if choice % 3 == 0 && world.dag.leads(node, Way::Rejected) => Some(Event::Decide(node, Verdict::Rejected)),
                            Was::Open(_) if choice % 3 == 1 && world.dag.leads(node, Way::Expired) => Some(Event::Decide(node, Verdict::Expired)),
                            Was::Open(_) => Some(Event::Decide(node, Verdict::Approved)),
                            _ if !world.may_begin(node) => None,
                            _ if world.dag.kinds[node] == Kind::Gate => Some(Event::Open(node)),
                            _ => Some(Event::Start(node)),
                        }
                    })
                    .collect();
                if world.ended.is_some() {
                    break;
                }
                world.happen(events[usize::from(*pick) % events.len()]).unwrap();
            }
            world.run
        };
        let (one, other) = (finish(&orders.0), finish(&orders.1));
        prop_assert_eq!(one.status, RunStatus::Succeeded);
        prop_assert_eq!(one, other);
    }

    /// The spec has the graph it was written with, and nodes keep their places.
    #[test]
    fn a_spec_has_the_graph_it_was_written_with(dag in dags(16)) {
        let spec = Spec::parse(&dag.spec()).unwrap();
        prop_assert_eq!(spec.len(), dag.len());
        let order: Vec<NodeIx> = spec.order().collect();
        prop_assert_eq!(order.len(), dag.len());
        for node in 0..dag.len() {
            let ix = spec.position(&Dag::id(node).parse().unwrap()).unwrap();
            prop_assert_eq!(ix.position(), dag.places[node], "a node's position is its place in `spec.nodes`");
            prop_assert_eq!(spec.node(ix).id.to_string(), Dag::id(node));
            prop_assert_eq!(spec.incoming(ix).len(), dag.leading_to(node).count());
            for edge in spec.incoming(ix) {
                let before = |ix| order.iter().position(|other| *other == ix);
                prop_assert!(before(edge.from) < before(ix), "upstream comes first");
            }
        }
        prop_assert_eq!(spec.start().position(), dag.places[0]);
        prop_assert_eq!(Spec::parse(&dag.spec()).unwrap(), spec);
    }
}

#[test]
fn the_generator_makes_every_kind_of_node_and_every_way() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let dags: Vec<Dag> = (0..200).map(|_| dags(12).new_tree(&mut runner).unwrap().current()).collect();
    for kind in [Kind::Task, Kind::Decision, Kind::Gate] {
        assert!(dags.iter().any(|dag| dag.kinds.contains(&kind)), "{kind:?}");
    }
    for way in [Way::Plain, Way::Case(0), Way::Case(1), Way::Error, Way::Rejected, Way::Expired] {
        assert!(dags.iter().flat_map(|dag| &dag.links).any(|link| link.way == way), "{way:?}");
    }
    assert!(dags.iter().any(|dag| (0..dag.len()).any(|node| dag.leading_to(node).count() >= 3)), "joins");
    assert!(dags.iter().any(|dag| dag.places.iter().enumerate().any(|(node, place)| node != *place)), "another order");
}
