//! What a random simulation is made of: a flow, a story, and what goes wrong. All of it comes from proptest, which also makes
//! it small again once it has broken something: fewer nodes, plainer ones, fewer troubles. Nothing is the first of its choices.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use testkit::Fate;

use crate::flows::{Kind, NodePlan};

/// One run of one flow, and everything that happens to it.
#[derive(Debug, Clone)]
pub struct Case {
    /// The flow's nodes, the start first.
    pub nodes: Vec<NodePlan>,
    /// Which case the decisions take.
    pub choice: u8,
    /// What becomes of the start of the first execution.
    pub launch: Fate,
    /// How long an invocation may take.
    pub invocation_seconds: u64,
    /// The size of the text in the input that gates show and requests send.
    pub bytes: usize,
    /// Whether nobody hears that an execution has failed.
    pub loses_settle_events: bool,
    /// What happens while no invocation is under way; after that the run is left alone until it ends.
    pub story: Vec<Step>,
    /// What happens in the middle of a call of a port.
    pub troubles: Vec<Trouble>,
    /// What the world answers, in this order; after that it answers well and at once.
    pub answers: Vec<Answer>,
}

#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Some execution goes on by one state.
    GoOn,
    /// The same; if none can, time passes until one can.
    GoOnOrWait,
    /// This number of seconds passes.
    Tick(u64),
    /// A person acts.
    Act(Act),
    /// A copy of the table is made.
    Copy,
    /// The table is restored to the last copy; executions and the world outside go on from where they are.
    Restore,
}

/// The number of calls after the trouble before.
#[derive(Debug, Clone, Copy)]
pub struct Trouble {
    pub after_calls: usize,
    /// Whether it waits for the next write of a run after these calls.
    pub at_commit: bool,
    pub what: What,
}

#[derive(Debug, Clone, Copy)]
pub enum What {
    /// The call itself goes wrong.
    Fate(Fate),
    /// A person acts at that moment.
    Act(Act),
}

/// What a person does, without asking whether it is a good moment.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// A reviewer decides a gate: mostly one that is open, chosen by `gate`. `slow`: by a clock that is behind.
    Decide { gate: u8, bob: bool, ballot: Says, slow: bool },
    /// The platform invokes once more, or takes an invocation for dead that is not.
    Invoke,
    /// The pending effects are dispatched.
    Reconcile,
    /// News of the failure of an execution whose segment has long been left.
    SettleLate,
    /// The run is cancelled.
    Cancel,
}

#[derive(Debug, Clone, Copy)]
pub enum Says {
    Yes,
    YesBut(u8),
    No,
    /// Changes are requested.
    Changes,
}

#[derive(Debug, Clone, Copy)]
pub struct Answer {
    pub after_millis: u64,
    pub what: Reply,
}

#[derive(Debug, Clone, Copy)]
pub enum Reply {
    Well(u8),
    Unavailable,
    ComeBackIn(u64),
    Refused,
}

fn node() -> impl Strategy<Value = NodePlan> {
    use Kind::{Decision, Emit, Gate, Http, Llm, Service, Sink, Transform, Wait};
    let kind = select(vec![Transform, Http, Http, Service, Service, Llm, Llm, Gate, Gate, Gate, Sink, Wait, Decision, Emit]);
    let route = || prop::option::of(0..8u8);
    let policies = (1..=3u64, 0..30u64, 1..=50u64, 1..=2u64, 0..60u64, prop::option::of(2..=3u64));
    (kind, 0..8u8, prop::option::of(0..8u8), [route(), route(), route()], policies).prop_map(
        |(kind, parent, second, [on_error, on_reject, on_timeout], (attempts, delay, timeout, approvals, wait, rounds))| NodePlan {
            kind,
            parent,
            second,
            on_error,
            on_reject,
            on_timeout,
            attempts,
            delay,
            timeout,
            approvals,
            wait,
            rounds,
        },
    )
}

fn act() -> impl Strategy<Value = Act> {
    let says = prop_oneof![2 => Just(Says::Yes), 1 => (0..3u8).prop_map(Says::YesBut), 1 => Just(Says::No), 2 => Just(Says::Changes)];
    let decide = (any::<u8>(), any::<bool>(), says, prop::bool::weighted(0.3)).prop_map(|(gate, bob, ballot, slow)| Act::Decide {
        gate,
        bob,
        ballot,
        slow,
    });
    prop_oneof![10 => decide, 2 => Just(Act::Invoke), 1 => Just(Act::Reconcile), 1 => Just(Act::SettleLate), 1 => Just(Act::Cancel)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        16 => Just(Step::GoOn),
        8 => Just(Step::GoOnOrWait),
        4 => (0..40u64).prop_map(Step::Tick),
        4 => act().prop_map(Step::Act),
        1 => Just(Step::Copy),
        1 => Just(Step::Restore),
    ]
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let fates = vec![Fate::FailBefore, Fate::LoseAnswer, Fate::Twice, Fate::CrashBefore, Fate::CrashAfter, Fate::Reject];
    let what = prop_oneof![1 => act().prop_map(What::Act), 1 => select(fates).prop_map(What::Fate)];
    (0..20usize, prop::bool::weighted(0.2), what).prop_map(|(after_calls, at_commit, what)| Trouble { after_calls, at_commit, what })
}

fn answer() -> impl Strategy<Value = Answer> {
    let what = prop_oneof![
        8 => (0..100u8).prop_map(Reply::Well),
        2 => Just(Reply::Unavailable),
        1 => (1..60u64).prop_map(Reply::ComeBackIn),
        1 => Just(Reply::Refused),
    ];
    (select(vec![0, 700, 1400]), what).prop_map(|(after_millis, what)| Answer { after_millis, what })
}

/// Any case. The flow is the last to be made small: nodes are easier to do without once fewer of them are in trouble.
pub fn cases() -> impl Strategy<Value = Case> {
    let launch = select(vec![Fate::Pass, Fate::Pass, Fate::Pass, Fate::FailBefore, Fate::LoseAnswer, Fate::CrashBefore, Fate::CrashAfter]);
    // Up to 100 KB is part of a record, and 10 gates of that are more than an item may have.
    let bytes = prop_oneof![15 => Just(0), 1 => select(vec![95 * 1024, 130 * 1024])];
    let surroundings = (launch, 0..3u8, select(vec![900, 200, 60]), bytes, prop::bool::weighted(0.1));
    (surroundings, vec(answer(), 0..12), vec(trouble(), 0..10), vec(step(), 0..24), vec(node(), 1..=9)).prop_map(
        |((launch, choice, invocation_seconds, bytes, loses_settle_events), answers, troubles, story, nodes)| Case {
            nodes,
            choice,
            launch,
            invocation_seconds,
            bytes,
            loses_settle_events,
            story,
            troubles,
            answers,
        },
    )
}
