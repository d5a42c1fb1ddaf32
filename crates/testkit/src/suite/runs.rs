//! Runs, gates, steps, Idempotency-Keys.

use std::collections::BTreeMap;

use domain::access::Assignee;
use domain::flow::{NodeId, Places, Quorum, Spec};
use domain::gate::{Basis, EarlierDecision, EditedAction, Gate, Outcome, Reassignment, Verdict, Vote};
use domain::json::sha256_hex;
use domain::ports::{CommitError, Idempotency, RunLists, Runs};
use domain::run::{
    Cancellation, ExecutionState, Exit, NodeState, NodeStatus, PendingEffect, Progress, Retried, Run, RunError, RunStatus, Trigger,
};
use domain::step::{Payload, StepRecord};
use domain::time::Time;
use serde_json::{Value, json};

use super::Subject;
pub(super) use crate::build::step as step_of;
use crate::build::{Maker, actor, at, chain, person};

pub(super) fn new_run(maker: &Maker) -> Run {
    maker.run(maker.org(), maker.flow_id(), &chain(3), at(0))
}

/// Creates a run with the input `{}`, and returns it.
pub(super) async fn created(store: &impl Subject, run: Run) -> Run {
    store.runs().create(&run, &json!({}), None).await.unwrap();
    run
}

pub(super) async fn loaded(store: &impl Subject, run: &Run) -> Run {
    store.runs().load(&run.id).await.unwrap().unwrap()
}

pub(super) fn is_changed<T: std::fmt::Debug>(result: Result<T, CommitError>) {
    assert!(matches!(result, Err(CommitError::Changed)), "expected a refusal, got {result:?}");
}

pub(super) fn node(name: &str) -> NodeId {
    name.parse().unwrap()
}

/// Every field is read as it was written, empty and filled.
pub async fn a_run_reads_back_with_every_field(store: &impl Subject) {
    let maker = Maker::new(1);
    let bare = created(store, new_run(&maker)).await;
    assert_eq!(loaded(store, &bare).await, bare);
    assert_eq!(store.runs().load(&maker.run(bare.org, bare.flow, &chain(1), at(9)).id).await.unwrap(), None);

    let time = |millis: u64| Some(Time::from_millis(1_767_225_600_000 + millis));
    let states = vec![
        NodeState { status: NodeStatus::Running, attempts: 2, started_at: time(1), due: time(123), ..NodeState::PENDING },
        NodeState { status: NodeStatus::Succeeded, exit: Exit::Case(2), attempts: 1, ..NodeState::PENDING },
        NodeState { status: NodeStatus::Failed, exit: Exit::Error, attempts: 3, ..NodeState::PENDING },
        NodeState { status: NodeStatus::AwaitingApproval, attempts: 1, started_at: time(5), due: time(77), ..NodeState::PENDING },
        NodeState { status: NodeStatus::Skipped, ..NodeState::PENDING },
        NodeState { status: NodeStatus::Cancelled, attempts: 1, started_at: time(8), ..NodeState::PENDING },
    ];
    let full = Run {
        trigger: Trigger::Cron,
        retried: Some(Retried {
            of: maker.run(bare.org, bare.flow, &chain(1), at(2)).id,
            root: maker.run(bare.org, bare.flow, &chain(1), at(1)).id,
            from: Some(node("n2")),
            starters: ["usr_ada".to_owned(), "usr_bob".to_owned()].into(),
        }),
        status: RunStatus::Cancelled,
        finished_at: time(9_999),
        error: Some(RunError { node: Some("n2".to_owned()), message: "broken: \"ü\"\n".to_owned() }),
        cancellation: Some(Cancellation {
            actor: "usr_ada".to_owned(),
            identity: Some(actor("usr_ada").identity),
            reason: Some("changed my mind".to_owned()),
        }),
        progress: Progress::from_states(states),
        execution: ExecutionState {
            segment: 12,
            owner: Some("inv-1".to_owned()),
            token: Some("AAAA+/=".to_owned()),
            pending: Some(PendingEffect::SendTaskSuccess),
            parked_until: time(60_000),
            stuck_at: time(70_000),
            done_at_claim: Some(3),
        },
        kept_until: time(999_000),
        warning: Some("the flow's output cannot be made".to_owned()),
        ..bare.clone()
    };
    let committed = store.runs().commit(full.clone(), &[]).await.unwrap();
    assert_eq!(committed, Run { rev: bare.rev + 1, ..full });
    assert_eq!(loaded(store, &bare).await, committed);

    let without_names = Run {
        retried: committed.retried.clone().map(|retried| Retried { from: None, ..retried }),
        error: Some(RunError { node: None, message: "cut off".to_owned() }),
        cancellation: Some(Cancellation { actor: "usr_ada".to_owned(), identity: None, reason: None }),
        execution: ExecutionState { pending: Some(PendingEffect::StartExecution), ..committed.execution.clone() },
        ..committed
    };
    let committed = store.runs().commit(without_names, &[]).await.unwrap();
    assert_eq!(loaded(store, &bare).await, committed);
}

/// The second of two writers is refused, and nothing of its write is stored.
pub async fn a_commit_with_a_stale_rev_changes_nothing(store: &impl Subject) {
    let maker = Maker::new(2);
    let run = created(store, new_run(&maker)).await;
    let first = store.runs().commit(Run { flow_version: 2, ..run.clone() }, &[]).await.unwrap();
    is_changed(store.runs().commit(Run { flow_version: 3, ..run.clone() }, &[]).await);
    let gate = maker.gate(&run, "n1", at(1));
    is_changed(store.runs().commit(Run { flow_version: 3, ..run.clone() }, &[gate]).await);
    assert_eq!(loaded(store, &run).await, first);
    assert_eq!(store.runs().gates(&run).await.unwrap(), []);
    assert_eq!(store.runs().gate(&run, &node("n1")).await.unwrap(), None);
}

/// Only `create` creates a run.
pub async fn a_commit_of_a_run_that_does_not_exist_is_refused(store: &impl Subject) {
    let maker = Maker::new(3);
    let run = new_run(&maker);
    is_changed(store.runs().commit(run.clone(), &[]).await);
    is_changed(store.runs().commit(run.clone(), &[maker.gate(&run, "n1", at(1))]).await);
    assert_eq!(store.runs().load(&run.id).await.unwrap(), None);
    assert_eq!(store.runs().gates(&run).await.unwrap(), []);
}

pub(super) fn decided(gate: &Gate, verdict: Verdict, action: Value) -> Gate {
    let outcome = Outcome {
        verdict,
        actor: Some("usr_ada".to_owned()),
        principals: ["usr_ada".to_owned(), "usr_root".to_owned()].into(),
        identity: Some(person("usr_ada").identity),
        decided_at: at(60),
        note: Some("fine".to_owned()),
        proposed_sha256: gate.proposed_action.sha256(),
        decided_sha256: sha256_hex(&action),
        decided_action: Payload::of(action),
        patch: None,
        shown_sha256: Some("cd".repeat(32)),
    };
    Gate { outcome: Some(outcome), closed_at: Some(at(60)), ..gate.clone() }
}

/// If one gate is refused, neither the run nor any other gate is written.
pub async fn run_and_gates_are_written_all_or_nothing(store: &impl Subject) {
    let maker = Maker::new(4);
    let run = created(store, new_run(&maker)).await;
    let (first, second) = (maker.gate(&run, "n1", at(1)), maker.gate(&run, "n2", at(1)));
    let run = store.runs().commit(run, &[first.clone(), second.clone()]).await.unwrap();
    assert_eq!(store.runs().gates(&run).await.unwrap(), [first.clone(), second.clone()]);

    let first_decided = decided(&first, Verdict::Approved, json!({"amount": 2}));
    let run = store.runs().commit(run, std::slice::from_ref(&first_decided)).await.unwrap();
    let (mut first_again, mut second_closed) = (first, second.clone());
    first_again.close(at(70));
    second_closed.close(at(70));
    is_changed(store.runs().commit(Run { flow_version: 9, ..run.clone() }, &[second_closed, first_again]).await);
    assert_eq!(loaded(store, &run).await, run);
    assert_eq!(store.runs().gates(&run).await.unwrap(), [first_decided, second]);
}

/// Whatever the writer has read, a recorded decision stays.
pub async fn a_decided_gate_is_never_overwritten(store: &impl Subject) {
    let maker = Maker::new(5);
    let run = created(store, new_run(&maker)).await;
    let open = maker.gate(&run, "n1", at(1));
    let run = store.runs().commit(run, std::slice::from_ref(&open)).await.unwrap();
    // Votes may be added while it is open.
    let vote = Vote {
        actor: "usr_bob".to_owned(),
        principals: std::collections::BTreeSet::new(),
        identity: None,
        at: at(2),
        note: None,
        action_sha256: open.proposed_action.sha256(),
        groups: Vec::new(),
    };
    let voted = Gate { votes: vec![vote], ..open.clone() };
    let run = store.runs().commit(run, std::slice::from_ref(&voted)).await.unwrap();
    assert_eq!(store.runs().gate(&run, &open.node).await.unwrap(), Some(voted.clone()));

    let approved = decided(&voted, Verdict::Approved, json!({"amount": 2}));
    let run = store.runs().commit(run, std::slice::from_ref(&approved)).await.unwrap();
    for other in [open, decided(&voted, Verdict::Rejected, json!({"amount": 1})), approved.clone()] {
        is_changed(store.runs().commit(run.clone(), &[other]).await);
    }
    assert_eq!(store.runs().gate(&run, &approved.node).await.unwrap(), Some(approved));
    assert_eq!(loaded(store, &run).await, run);
}

/// Every field is read as it was written, empty and filled, with and without an override of the action.
pub async fn gates_read_back_with_every_field(store: &impl Subject) {
    let maker = Maker::new(6);
    let run = created(store, new_run(&maker)).await;
    let bare = maker.gate(&run, "n1", at(1));
    let vote = |actor: &str, note: Option<&str>| Vote {
        actor: actor.to_owned(),
        principals: note.map(|_| [actor.to_owned(), "usr_root".to_owned()].into()).unwrap_or_default(),
        identity: note.map(|_| person(actor).identity),
        at: at(3),
        note: note.map(str::to_owned),
        action_sha256: "ab".repeat(32),
        groups: note.map(|_| Assignee::Role("finance".to_owned())).into_iter().collect(),
    };
    let base_urls =
        BTreeMap::from([("custom:bank".parse().unwrap(), Some("https://bank.test".to_owned())), ("aml".parse().unwrap(), None)]);
    let basis = Basis {
        flow_version: Some(7),
        round: 2,
        base_urls: Some(base_urls),
        barred: ["usr_bob".to_owned()].into(),
        earlier: Some(EarlierDecision { run: run.id, changed: vec!["destinations.pay.path".to_owned()] }),
        quorum: Some(Quorum::From(vec![Places { from: Assignee::Role("finance".to_owned()), count: 2 }])),
    };
    let full = Gate {
        basis,
        action_label: "Pay – \"now\"".to_owned(),
        proposed_action: Payload::of(json!({"amount": 12.5, "to": ["ü", null, {"": ""}], "big": 9_007_199_254_740_993_u64})),
        data: Some(Payload::of(json!([1, "two", null]))),
        assign_to: Some(Assignee::Team("payments".to_owned())),
        votes: vec![vote("usr_ada", Some("yes")), vote("usr_bob", None)],
        ..maker.gate(&run, "n2", at(2))
    };
    let placed = |name: &str, gate: &Gate| Gate { id: maker.gate(&run, name, at(2)).id, node: node(name), ..gate.clone() };
    let by = Some(actor("usr_ada").recorded());
    let moved = |by, note: Option<&str>| Reassignment {
        from: note.map(|_| Assignee::Role("lead".to_owned())),
        to: Assignee::User("usr_bob".to_owned()),
        by,
        at: at(4),
        note: note.map(str::to_owned),
    };
    let reassigned =
        Gate { reassignments: vec![moved(by, Some("on leave")), moved(None, None)], reminders: vec![at(5), at(6)], ..placed("n7", &full) };
    let edited = EditedAction { action: Payload::of(json!({"amount": 9})), patch: Some(json!([{"op": "remove", "path": "/to"}])) };
    let voted = Gate { edited: Some(edited), ..placed("n6", &full) };
    let overridden = decided(&full, Verdict::Approved, json!("something else"));
    let as_proposed = decided(&placed("n3", &full), Verdict::Rejected, Value::clone(full.proposed_action.value().unwrap()));
    let mut expired = placed("n4", &full);
    expired.expire(at(9));
    let mut closed = Gate { reused_from: Some(run.id), basis: Basis::default(), ..placed("n5", &full) };
    closed.close(at(9));
    let all = [bare, overridden, as_proposed, expired, closed, voted, reassigned];
    let run = store.runs().commit(run, &all).await.unwrap();
    assert_eq!(store.runs().gates(&run).await.unwrap(), all);
    for gate in all {
        assert_eq!(store.runs().gate_in_round(&run, &gate.key()).await.unwrap(), Some(gate));
    }
}

/// A repetition changes nothing, and returns the stored record.
pub async fn a_step_is_recorded_once_and_the_first_record_counts(store: &impl Subject) {
    let maker = Maker::new(7);
    let run = created(store, new_run(&maker)).await;
    assert_eq!(store.runs().step(&run, &node("n1"), at(9)).await.unwrap(), None);
    let first = step_of(&run, "n1", json!("first"));
    assert_eq!(store.runs().record(&run, first.clone()).await.unwrap(), first);
    assert_eq!(store.runs().record(&run, first.clone()).await.unwrap(), first);
    let second = StepRecord { status: NodeStatus::Failed, output: None, error: Some("no".to_owned()), ..first.clone() };
    assert_eq!(store.runs().record(&run, second).await.unwrap(), first);
    assert_eq!(store.runs().step(&run, &node("n1"), at(9)).await.unwrap(), Some(first.clone()));
    // Recording a step does not change the run.
    assert_eq!(loaded(store, &run).await, run);
    assert_eq!(store.runs().steps(&run, at(9)).await.unwrap(), [first]);
}

/// Every field is read as it was written; an output `null` is not the same as no output.
pub async fn steps_read_back_with_every_field(store: &impl Subject) {
    let maker = Maker::new(8);
    let (run, other) = (created(store, new_run(&maker)).await, created(store, new_run(&maker)).await);
    let exits = [Exit::Normal, Exit::Case(0), Exit::Case(41), Exit::Error, Exit::Rejected, Exit::Expired];
    let mut all: Vec<StepRecord> =
        exits.into_iter().enumerate().map(|(at, exit)| StepRecord { exit, ..step_of(&run, &format!("n{at}"), json!(null)) }).collect();
    all.push(StepRecord {
        status: NodeStatus::Failed,
        input: None,
        output: None,
        answer: None,
        error: Some("it broke".to_owned()),
        attempts: 7,
        reused_from: Some(other.id),
        ..step_of(&run, "n9", json!(null))
    });
    for step in &all {
        assert_eq!(store.runs().record(&run, step.clone()).await.unwrap(), *step);
    }
    store.runs().record(&other, step_of(&other, "n1", json!("another run"))).await.unwrap();
    assert_eq!(store.runs().steps(&run, at(9)).await.unwrap(), all);
}

fn key_of(run: &Run, key: &str, forget_at: Time) -> Idempotency {
    Idempotency { org: run.org, scope: "flw_1".to_owned(), key: key.to_owned(), body_sha256: "00".repeat(32), run: run.id, forget_at }
}

/// The second run with the same key is refused as a whole.
pub async fn an_idempotency_key_starts_one_run(store: &impl Subject) {
    let maker = Maker::new(9);
    let first = new_run(&maker);
    let key = key_of(&first, "a key / with # anything", at(3_600));
    store.runs().create(&first, &json!({}), Some(&key)).await.unwrap();
    let second = Run { org: first.org, ..new_run(&maker) };
    is_changed(store.runs().create(&second, &json!({}), Some(&Idempotency { run: second.id, ..key.clone() })).await);
    assert_eq!(store.runs().load(&second.id).await.unwrap(), None);
    assert!(!store.table().with_pending_effects().await.unwrap().contains(&second.id));

    let found = |now| store.runs().idempotent(&key.org, &key.scope, &key.key, now);
    assert_eq!(found(at(3_599)).await.unwrap(), Some(key.clone()));
    assert_eq!(found(at(3_600)).await.unwrap(), None);
    // The same text in another scope or organisation is another key.
    assert_eq!(store.runs().idempotent(&key.org, "flw_2", &key.key, at(1)).await.unwrap(), None);
    assert_eq!(store.runs().idempotent(&maker.org(), &key.scope, &key.key, at(1)).await.unwrap(), None);
    let elsewhere = Idempotency { scope: "flw_2".to_owned(), run: second.id, ..key };
    store.runs().create(&second, &json!({}), Some(&elsewhere)).await.unwrap();
    // The id of a run is used once, with or without a key.
    is_changed(store.runs().create(&first, &json!("other"), None).await);
}

/// Whether or not TTL has deleted the old one.
pub async fn an_idempotency_key_can_be_used_again_after_its_expiry(store: &impl Subject) {
    let maker = Maker::new(10);
    let first = new_run(&maker);
    store.runs().create(&first, &json!({}), Some(&key_of(&first, "k", at(100)))).await.unwrap();
    let early = Run { org: first.org, started_at: at(99), ..new_run(&maker) };
    is_changed(store.runs().create(&early, &json!({}), Some(&key_of(&early, "k", at(199)))).await);
    let later = Run { org: first.org, started_at: at(100), ..new_run(&maker) };
    let key = key_of(&later, "k", at(200));
    store.runs().create(&later, &json!({}), Some(&key)).await.unwrap();
    assert_eq!(store.runs().idempotent(&key.org, &key.scope, "k", at(150)).await.unwrap(), Some(key));
}

/// No order of park and decision loses a wake-up.
pub async fn park_writes_the_token_only_while_its_own_execution_is_pending(store: &impl Subject) {
    let maker = Maker::new(11);
    let spec = Spec::parse(&chain(3)).unwrap();
    let mut run = created(store, new_run(&maker)).await;
    assert!(!store.park(&run.id, &format!("{}-2", run.id), "early").await, "the segment is not pending yet");
    run.start(&spec, spec.start(), at(0)).unwrap();
    run.end_segment(Some(at(60)), at(0)).unwrap();
    let run = store.runs().commit(run, &[]).await.unwrap();
    assert!(!store.park(&run.id, &format!("{}-1", run.id), "old").await, "a segment that is over does not park");
    assert!(!store.park(&maker.run(run.org, run.flow, &chain(1), at(5)).id, "nothing", "t").await, "no run appears out of nothing");

    assert!(store.park(&run.id, &run.execution_name(), "token").await);
    let parked = loaded(store, &run).await;
    let execution = ExecutionState { token: Some("token".to_owned()), pending: None, ..run.execution.clone() };
    assert_eq!(parked, Run { rev: run.rev + 1, execution, ..run.clone() });
    assert!(!store.table().with_pending_effects().await.unwrap().contains(&run.id), "the same write takes it out of the outbox");
    assert!(!store.park(&run.id, &run.execution_name(), "twice").await);
    is_changed(store.runs().commit(run.clone(), &[]).await);

    // A decision came between the end of a segment and Park: a task token is to be sent, and Park must not wait.
    let mut heard = Run {
        execution: ExecutionState { pending: Some(PendingEffect::SendTaskSuccess), token: None, ..parked.execution.clone() },
        ..parked
    };
    heard = store.runs().commit(heard, &[]).await.unwrap();
    assert!(!store.park(&heard.id, &heard.execution_name(), "late").await);
    assert_eq!(loaded(store, &heard).await, heard);
}
