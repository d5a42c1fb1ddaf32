//! What DynamoDB does not take is refused for good, by every store.

use domain::gate::Gate;
use domain::ports::{CommitError, PortError, Runs};
use domain::run::{Run, RunError};
use domain::step::{MAX_INLINE_BYTES, Payload, StepRecord};
use serde_json::{Value, json};

use super::Subject;
use super::runs::{created, new_run, step_of};
use crate::build::{Maker, at, chain};

fn gates(maker: &Maker, run: &Run, count: usize, bytes: usize) -> Vec<Gate> {
    let gate = |number: usize| Gate {
        proposed_action: Payload::of(Value::String("x".repeat(bytes))),
        ..maker.gate(run, &format!("n{number}"), at(1))
    };
    (0..count).map(gate).collect()
}

async fn assert_refused_for_good(store: &impl Subject, run: Run, gates: &[Gate]) {
    let refused = store.runs().commit(run.clone(), gates).await;
    assert!(matches!(refused, Err(CommitError::Port(PortError::Rejected(_)))), "{refused:?}");
    assert_eq!(store.runs().load(&run.id).await.unwrap().map(|stored| stored.rev), Some(run.rev), "nothing was written");
    assert_eq!(store.runs().gates(&run).await.unwrap(), [], "nothing was written");
}

/// One transaction takes 4 MB.
pub async fn gates_of_more_than_4_mb_in_one_commit_are_refused(store: &impl Subject) {
    let maker = Maker::new(64);
    let run = created(store, new_run(&maker)).await;
    assert_refused_for_good(store, run.clone(), &gates(&maker, &run, 45, 95_000)).await;
    store.runs().commit(run.clone(), &gates(&maker, &run, 42, 95_000)).await.unwrap();
}

/// One transaction takes 100 items, and the run is one of them.
pub async fn more_than_99_gates_in_one_commit_are_refused(store: &impl Subject) {
    let maker = Maker::new(65);
    let run = created(store, new_run(&maker)).await;
    assert_refused_for_good(store, run.clone(), &gates(&maker, &run, 100, 10)).await;
    store.runs().commit(run.clone(), &gates(&maker, &run, 99, 10)).await.unwrap();
}

/// One item takes 400 KB, and an upload for an item that cannot be written is deleted again.
pub async fn a_record_of_more_than_400_kb_is_refused_and_its_objects_do_not_stay(store: &impl Subject) {
    let maker = Maker::new(66);
    let run = created(store, new_run(&maker)).await;
    let large = Value::String("x".repeat(MAX_INLINE_BYTES));
    let record = StepRecord { error: Some("e".repeat(410_000)), ..step_of(&run, "n1", large) };
    let refused = store.runs().record(&run, record.clone()).await;
    assert!(matches!(refused, Err(PortError::Rejected(_))), "{refused:?}");
    assert_eq!(store.runs().steps(&run, at(1)).await.unwrap(), []);
    let kept = store.runs().record(&run, StepRecord { error: None, ..record }).await.unwrap();
    assert!(kept.output.is_some_and(|output| output.value().is_none()), "the output is in object storage");
}

/// A new run and a changed one are refused alike.
pub async fn a_run_of_more_than_400_kb_is_refused(store: &impl Subject) {
    let maker = Maker::new(67);
    let run = created(store, new_run(&maker)).await;
    let error = Some(RunError { node: None, message: "e".repeat(410_000) });
    assert_refused_for_good(store, Run { error: error.clone(), ..run.clone() }, &[]).await;
    let new = Run { error, ..maker.run(run.org, run.flow, &chain(1), at(2)) };
    let refused = store.runs().create(&new, &json!({}), None).await;
    assert!(matches!(refused, Err(CommitError::Port(PortError::Rejected(_)))), "{refused:?}");
    assert_eq!(store.runs().load(&new.id).await.unwrap(), None);
}
