//! Gates with large actions.

use domain::flow::Spec;
use domain::gate::{Gate, Verdict};
use domain::ports::{CommitError, PortError, RunLists, Runs, Window};
use domain::run::Run;
use domain::step::{MAX_INLINE_BYTES, Payload};
use serde_json::{Value, json};

use super::Subject;
use super::payloads::{of_bytes, stored};
use super::runs::{created, decided, new_run};
use crate::build::{Maker, at, chain};

fn asking(maker: &Maker, run: &Run, action: Value, data: Option<Value>) -> Gate {
    Gate { proposed_action: Payload::of(action), data: data.map(Payload::of), ..maker.gate(run, "n1", at(1)) }
}

/// Up to 100 KB together are in the record. More than that is in objects, under their hashes and apart from outputs.
pub async fn a_large_action_is_offloaded_from_its_gate(store: &impl Subject) {
    let maker = Maker::new(60);
    let run = created(store, new_run(&maker)).await;
    let small = asking(&maker, &run, of_bytes(MAX_INLINE_BYTES - 2), Some(json!([])));
    assert_eq!(store.runs().offload(&run, small.clone()).await.unwrap(), small);

    let (action, data) = (of_bytes(300_000), of_bytes(60_000));
    let open = asking(&maker, &run, action.clone(), Some(data.clone()));
    let gate = store.runs().offload(&run, open).await.unwrap();
    let (object, fetched) = stored(store, Some(gate.proposed_action.clone())).await;
    assert_eq!((&fetched, &object.sha256), (&action, &gate.proposed_action.sha256()));
    assert_eq!(object.key, format!("gates/{}/{}/n1/{}", run.org, run.id, object.sha256));
    assert_eq!(gate.data, Some(Payload::of(data)));
    let run = store.runs().commit(run, std::slice::from_ref(&gate)).await.unwrap();
    let window = Window { after: None, skip: 0, limit: 10, was_beyond_cap: false };
    assert_eq!(store.table().open_gates(&run.org, None, &|_| true, &window).await.unwrap().rows, std::slice::from_ref(&gate));

    let mut overridden = decided(&gate, Verdict::Approved, of_bytes(200_000));
    if let Some(outcome) = &mut overridden.outcome {
        outcome.patch = Some(json!([{"op": "replace", "path": "/text", "value": "x"}]));
    }
    let overridden = store.runs().offload(&run, overridden).await.unwrap();
    let outcome = overridden.outcome.clone().unwrap();
    assert_eq!(stored(store, Some(outcome.decided_action)).await.1, of_bytes(200_000));
    let run = store.runs().commit(run, std::slice::from_ref(&overridden)).await.unwrap();
    assert_eq!(store.runs().gate(&run, &gate.node).await.unwrap().as_ref(), Some(&overridden));
    assert_eq!(store.runs().gates(&run).await.unwrap(), [overridden]);
}

/// The action was approved as it was proposed: there is one object, and the record refers to it twice.
pub async fn a_large_action_that_is_approved_is_not_stored_twice(store: &impl Subject) {
    let maker = Maker::new(61);
    let run = created(store, new_run(&maker)).await;
    let gate = store.runs().offload(&run, asking(&maker, &run, of_bytes(300_000), None)).await.unwrap();
    let gate = Gate { node: "n2".parse().unwrap(), ..decided(&gate, Verdict::Approved, of_bytes(300_000)) };
    let gate = store.runs().offload(&run, gate).await.unwrap();
    assert_eq!(gate.outcome.as_ref().unwrap().decided_action, gate.proposed_action);
    let run = store.runs().commit(run, std::slice::from_ref(&gate)).await.unwrap();
    assert_eq!(store.runs().gate(&run, &gate.node).await.unwrap(), Some(gate));
}

/// An action that was not offloaded is refused, and nothing is written.
pub async fn a_gate_that_is_too_large_for_its_record_is_refused(store: &impl Subject) {
    let maker = Maker::new(62);
    let run = created(store, new_run(&maker)).await;
    let gate = asking(&maker, &run, of_bytes(MAX_INLINE_BYTES + 1), None);
    let refused = store.runs().commit(run.clone(), &[gate]).await;
    assert!(matches!(refused, Err(CommitError::Port(PortError::Rejected(_)))), "{refused:?}");
    assert_eq!((store.runs().load(&run.id).await.unwrap(), store.runs().gates(&run).await.unwrap()), (Some(run), vec![]));
}

/// A retry has objects of its own.
pub async fn a_large_action_of_another_run_is_copied(store: &impl Subject) {
    let maker = Maker::new(63);
    let before = new_run(&maker);
    let run = maker.run(before.org, before.flow, &chain(3), at(9));
    let open = asking(&maker, &before, of_bytes(300_000), None);
    let gate = store.runs().offload(&before, decided(&open, Verdict::Approved, of_bytes(200_000))).await.unwrap();
    let ix = Spec::parse(&chain(3)).unwrap().start();
    let copied = store.runs().offload(&run, gate.clone().taken_over_by(&run, ix)).await.unwrap();
    for (payload, action) in [(&copied.proposed_action, 300_000), (&copied.outcome.as_ref().unwrap().decided_action, 200_000)] {
        let (object, fetched) = stored(store, Some(payload.clone())).await;
        assert!(object.key.starts_with(&format!("gates/{}/{}/", run.org, run.id)), "{}", object.key);
        assert_eq!(fetched, of_bytes(action));
    }
    assert_eq!(stored(store, Some(gate.proposed_action)).await.1, of_bytes(300_000));
}
