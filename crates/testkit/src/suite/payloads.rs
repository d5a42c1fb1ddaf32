//! Payloads, small and large.

use domain::json::{canonical, sha256_hex};
use domain::ports::{PortError, Runs};
use domain::step::{MAX_INLINE_BYTES, ObjectRef, Payload, StepRecord};
use serde_json::{Value, json};

use super::Subject;
use super::runs::{new_run, step_of};
use crate::build::{Maker, at};

/// A value whose canonical text has exactly so many bytes.
pub(super) fn of_bytes(bytes: usize) -> Value {
    let value = json!({"text": "x".repeat(bytes - r#"{"text":""}"#.len())});
    assert_eq!(canonical(&value).len(), bytes);
    value
}

async fn stored(store: &impl Subject, payload: Option<Payload>) -> (ObjectRef, Value) {
    let Some(Payload::Stored(object)) = payload else { panic!("expected a reference, got {payload:?}") };
    let value = store.runs().fetch(&object).await.unwrap();
    (object, value)
}

/// The input comes back as it was given.
pub async fn inputs_read_back_whatever_their_type(store: &impl Subject) {
    let maker = Maker::new(20);
    for input in [json!(null), json!({}), json!([]), json!(""), json!(0), json!(1.5e300), json!({"b": [{"ü": "\u{0}\n"}], "a": true})] {
        let run = new_run(&maker);
        store.runs().create(&run, &input, None).await.unwrap();
        assert_eq!(store.runs().input(&run).await.unwrap(), Payload::of(input));
    }
    let nobody = new_run(&maker);
    assert!(matches!(store.runs().input(&nobody).await, Err(PortError::Corrupt(_))));
}

/// 99 KB, and exactly 100 KB.
pub async fn a_payload_up_to_100_kb_lies_in_the_record(store: &impl Subject) {
    let maker = Maker::new(21);
    for bytes in [99 * 1024, MAX_INLINE_BYTES] {
        let (run, value) = (new_run(&maker), of_bytes(bytes));
        store.runs().create(&run, &value, None).await.unwrap();
        assert_eq!(store.runs().input(&run).await.unwrap(), Payload::of(value.clone()));
        let step = step_of(&run, "n1", value.clone());
        assert_eq!(store.runs().record(&run, step.clone()).await.unwrap(), step);
        assert_eq!(store.runs().step(&run, &step.node, at(9)).await.unwrap(), Some(step));
    }
}

/// 101 KB, and one byte too many.
pub async fn a_larger_payload_lies_beside_it_under_its_hash(store: &impl Subject) {
    let maker = Maker::new(22);
    for bytes in [MAX_INLINE_BYTES + 1, 101 * 1024, 1_000_000] {
        let (run, value) = (new_run(&maker), of_bytes(bytes));
        store.runs().create(&run, &value, None).await.unwrap();
        let (object, fetched) = stored(store, Some(store.runs().input(&run).await.unwrap())).await;
        assert_eq!(fetched, value);
        assert!(object.key.starts_with(&format!("{}/{}/", run.org, run.id)), "{}", object.key);

        let step = step_of(&run, "n1", value.clone());
        let recorded = store.runs().record(&run, step.clone()).await.unwrap();
        assert_eq!(recorded.input, step.input, "only what is large lies beside the record");
        let (object, fetched) = stored(store, recorded.output.clone()).await;
        assert_eq!((object.bytes, &object.sha256), (bytes as u64, &sha256_hex(&value)));
        assert!(object.key.ends_with(&object.sha256), "{}", object.key);
        assert_eq!(fetched, value);
        assert_eq!(store.runs().steps(&run, at(9)).await.unwrap(), [recorded]);

        let url = store.runs().sign(&object, 900).await.unwrap();
        assert!(url.contains(&object.sha256) && url.contains("X-Amz-Expires=900"), "{url}");
    }
}

/// What a retry takes over is its own: nothing it refers to goes when the run before it goes.
pub async fn a_payload_of_another_run_is_copied(store: &impl Subject) {
    let maker = Maker::new(24);
    let (before, value) = (new_run(&maker), of_bytes(MAX_INLINE_BYTES + 1));
    let run = maker.run(before.org, before.flow, &crate::build::chain(3), at(9));
    let recorded = store.runs().record(&before, step_of(&before, "n1", value.clone())).await.unwrap();
    let copied = store.runs().record(&run, StepRecord { run: run.id, ..recorded.clone() }).await.unwrap();
    let (object, fetched) = stored(store, copied.output.clone()).await;
    assert!(object.key.starts_with(&format!("{}/{}/", run.org, run.id)), "{}", object.key);
    assert_eq!(fetched, value);
    assert_eq!(store.runs().step(&run, &copied.node, at(9)).await.unwrap(), Some(copied));
    assert_eq!(store.runs().step(&before, &recorded.node, at(9)).await.unwrap(), Some(recorded));
}

/// A reference promises bytes: others are not passed on.
pub async fn a_payload_that_does_not_have_its_hash_is_refused(store: &impl Subject) {
    let maker = Maker::new(23);
    let run = new_run(&maker);
    store.runs().create(&run, &of_bytes(MAX_INLINE_BYTES + 1), None).await.unwrap();
    let (object, _) = stored(store, Some(store.runs().input(&run).await.unwrap())).await;
    let other_hash = ObjectRef { sha256: "0".repeat(64), ..object.clone() };
    assert!(matches!(store.runs().fetch(&other_hash).await, Err(PortError::Corrupt(_))));
    let nowhere = ObjectRef { key: format!("{}/nowhere", run.org), ..object };
    assert!(matches!(store.runs().fetch(&nowhere).await, Err(PortError::Unavailable(_))));
}
