//! Rounds: what is done again for a reviewer is recorded beside what was done before.

use domain::gate::{ChangeRequest, Gate};
use domain::ports::{Outputs, Runs};
use domain::run::Run;
use domain::step::{Payload, StepKey};
use serde_json::json;

use super::Subject;
use super::payloads::of_bytes;
use super::runs::{created, is_changed, loaded, new_run, node, step_of};
use crate::build::{Maker, at, person};

fn in_round(run: &Run, name: &str, round: u32) -> Run {
    Run { rounds: [(node(name), round)].into(), ..run.clone() }
}

/// A step of a later round has a record of its own, and the one of the node is that of the round which the run is in.
pub async fn each_round_of_a_step_has_a_record_of_its_own(store: &impl Subject) {
    let maker = Maker::new(41);
    let run = created(store, new_run(&maker)).await;
    let first = step_of(&run, "n1", json!("first"));
    store.runs().record(&run, first.clone()).await.unwrap();
    let run = store.runs().commit(in_round(&run, "n1", 2), &[]).await.unwrap();
    assert_eq!(loaded(store, &run).await, run);
    assert_eq!(store.runs().step(&run, &node("n1"), at(9)).await.unwrap(), None, "the second round has no record yet");
    let second = step_of(&run, "n1", json!("second"));
    assert_eq!(second.round, 2);
    assert_eq!(store.runs().record(&run, second.clone()).await.unwrap(), second);
    assert_eq!(store.runs().step(&run, &node("n1"), at(9)).await.unwrap(), Some(second.clone()));
    assert_eq!(store.runs().step_in_round(&run, &first.key(), at(9)).await.unwrap(), Some(first.clone()));
    // A record that comes late belongs to its own round.
    assert_eq!(store.runs().record(&run, first.clone()).await.unwrap(), first);
    let mut all = store.runs().steps(&run, at(9)).await.unwrap();
    all.sort_by_key(|step| step.round);
    assert_eq!(all, [first, second]);
}

/// A request for changes closes a gate for good, and the next round opens another one, which alone is in the inbox.
pub async fn a_request_for_changes_is_never_overwritten(store: &impl Subject) {
    let maker = Maker::new(42);
    let run = created(store, new_run(&maker)).await;
    let open = maker.gate(&run, "n1", at(1));
    let run = store.runs().commit(run, std::slice::from_ref(&open)).await.unwrap();
    let by = person("usr_ada").recorded();
    let changes = ChangeRequest { by, at: at(5), note: "smaller".to_owned(), draft: StepKey::new(&node("n2"), 1) };
    let revised = Gate { changes: Some(changes), closed_at: Some(at(5)), ..open.clone() };
    let run = store.runs().commit(in_round(&run, "n1", 2), std::slice::from_ref(&revised)).await.unwrap();
    assert_eq!(store.runs().gate(&run, &node("n1")).await.unwrap(), None, "the second round has not opened yet");
    assert_eq!(store.runs().gate_in_round(&run, &open.key()).await.unwrap(), Some(revised.clone()));
    is_changed(store.runs().commit(run.clone(), &[open]).await);
    let second = maker.gate(&run, "n1", at(9));
    assert_ne!(second.id, revised.id);
    let run = store.runs().commit(run, std::slice::from_ref(&second)).await.unwrap();
    assert_eq!(store.runs().gate(&run, &node("n1")).await.unwrap(), Some(second.clone()));
    let mut all = store.runs().gates(&run).await.unwrap();
    all.sort_by_key(|gate| gate.basis.round);
    assert_eq!(all, [revised, second]);
}

/// The objects of one round can be deleted without those of another, even if both have the same bytes.
pub async fn objects_of_one_round_are_deleted_alone(store: &impl Subject) {
    let maker = Maker::new(43);
    let run = created(store, new_run(&maker)).await;
    let large = of_bytes(200_000);
    let first = store.runs().record(&run, step_of(&run, "n1", large.clone())).await.unwrap();
    let run = in_round(&run, "n1", 2);
    let second = store.runs().record(&run, step_of(&run, "n1", large)).await.unwrap();
    store.runs().delete_objects(&run, Some(&[first.key()].into())).await.unwrap();
    let (Some(Payload::Stored(gone)), Some(Payload::Stored(stays))) = (&first.output, &second.output) else { panic!("they are large") };
    assert!(store.runs().fetch(gone).await.is_err());
    store.runs().fetch(stays).await.unwrap();
}
