//! Payloads, small and large.

use domain::flow::FlowLabel;
use domain::json::{canonical, sha256_hex};
use domain::ports::{PortError, Runs};
use domain::run::Run;
use domain::step::{MAX_INLINE_BYTES, MAX_OUTPUT_BYTES, ObjectRef, Payload, StepRecord};
use serde_json::{Value, json};

use super::Subject;
use super::runs::{new_run, step_of};
use crate::build::{Maker, actor, at, chain};

/// Returns a value whose canonical text has exactly this number of bytes.
pub(super) fn of_bytes(bytes: usize) -> Value {
    let value = json!({"text": "x".repeat(bytes - r#"{"text":""}"#.len())});
    assert_eq!(canonical(&value).len(), bytes);
    value
}

pub(super) async fn stored(store: &impl Subject, payload: Option<Payload>) -> (ObjectRef, Value) {
    let Some(Payload::Stored(object)) = payload else { panic!("expected a reference, got {payload:?}") };
    let value = store.runs().fetch(&object).await.unwrap();
    (object, value)
}

/// The input is read as it was written.
pub async fn inputs_read_back_whatever_their_type(store: &impl Subject) {
    let maker = Maker::new(20);
    for input in [json!(null), json!({}), json!([]), json!(""), json!(0), json!(1.5e300), json!({"b": [{"ü": "\u{0}\n"}], "a": true})] {
        let run = new_run(&maker);
        store.runs().create(&run, &input, None).await.unwrap();
        assert_eq!(store.runs().input(&run).await.unwrap(), Payload::of(input));
    }
    let other = new_run(&maker);
    assert!(matches!(store.runs().input(&other).await, Err(PortError::Corrupt(_))));
}

/// The name and the description of the flow are stored with the input, and are not part of the run that is loaded.
pub async fn a_run_keeps_the_name_of_its_flow(store: &impl Subject) {
    let maker = Maker::new(51);
    let label = FlowLabel { name: "Refunds \u{2192} ü".to_owned(), description: "d".repeat(4_000) };
    let run = Run {
        flow_label: Some(label.clone()),
        starter_identity: Some(actor("usr_starter").identity),
        ..maker.run(maker.org(), maker.flow_id(), &chain(1), at(0))
    };
    store.runs().create(&run, &json!({"a": 1}), None).await.unwrap();
    let origin = store.runs().origin(&run).await.unwrap();
    assert_eq!((origin.flow_label, origin.input), (Some(label), Payload::of(json!({"a": 1}))));
    assert_eq!(origin.starter_identity, run.starter_identity);
    assert_eq!(store.runs().load(&run.id).await.unwrap(), Some(Run { flow_label: None, starter_identity: None, ..run }));
    let unnamed = maker.run(maker.org(), maker.flow_id(), &chain(1), at(0));
    store.runs().create(&unnamed, &json!({}), None).await.unwrap();
    assert_eq!(store.runs().origin(&unnamed).await.unwrap().flow_label, None);
}

/// 99 KB, and exactly 100 KB.
pub async fn a_payload_up_to_100_kb_is_in_the_record(store: &impl Subject) {
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

/// 101 KB, and one byte more than 100 KB.
pub async fn a_larger_payload_is_offloaded_under_its_hash(store: &impl Subject) {
    let maker = Maker::new(22);
    for bytes in [MAX_INLINE_BYTES + 1, 101 * 1024, 1_000_000] {
        let (run, value) = (new_run(&maker), of_bytes(bytes));
        store.runs().create(&run, &value, None).await.unwrap();
        let (object, fetched) = stored(store, Some(store.runs().input(&run).await.unwrap())).await;
        assert_eq!(fetched, value);
        assert!(object.key.starts_with(&format!("{}/{}/", run.org, run.id)), "{}", object.key);

        let step = step_of(&run, "n1", value.clone());
        let recorded = store.runs().record(&run, step.clone()).await.unwrap();
        assert_eq!(recorded.input, step.input, "only what is large is in an object");
        let (object, fetched) = stored(store, recorded.output.clone()).await;
        assert_eq!((object.bytes, &object.sha256), (bytes as u64, &sha256_hex(&value)));
        assert!(object.key.ends_with(&object.sha256), "{}", object.key);
        assert_eq!(fetched, value);
        assert_eq!(store.runs().steps(&run, at(9)).await.unwrap(), [recorded]);

        let url = store.runs().sign(&object, 900).await.unwrap();
        assert!(url.contains(&object.sha256) && url.contains("X-Amz-Expires=900"), "{url}");
    }
}

/// A retry has objects of its own, which stay when those of the run before it are deleted.
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

/// The reference has the hash of the bytes, and other bytes are refused.
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

/// The largest output that a step may have.
pub async fn a_payload_of_25_mb_reads_back(store: &impl Subject) {
    let maker = Maker::new(25);
    let (run, value) = (new_run(&maker), of_bytes(MAX_OUTPUT_BYTES));
    let recorded = store.runs().record(&run, step_of(&run, "n1", value.clone())).await.unwrap();
    let (object, fetched) = stored(store, recorded.output).await;
    assert_eq!((object.bytes, fetched), (MAX_OUTPUT_BYTES as u64, value));
}

/// Its size is the number of bytes of its JSON, not of characters.
pub async fn a_payload_is_as_large_as_its_bytes(store: &impl Subject) {
    let maker = Maker::new(26);
    for (text, is_large) in
        [("ü".repeat(51_199), false), ("ü".repeat(51_200), true), ("🦀".repeat(26_000), true), ("\n".repeat(51_200), true)]
    {
        let (run, value) = (new_run(&maker), Value::from(text));
        let recorded = store.runs().record(&run, step_of(&run, "n1", value.clone())).await.unwrap();
        let Some(output) = recorded.output else { panic!("the output is gone") };
        assert_eq!(output.value().is_none(), is_large);
        let bytes = canonical(&value).len();
        assert_eq!((output.bytes(), output.sha256()), (bytes, sha256_hex(&value)));
        if is_large {
            assert_eq!(stored(store, Some(output)).await.1, value);
        }
    }
}

async fn is_there(store: &impl Subject, object: &ObjectRef) -> bool {
    match store.runs().fetch(object).await {
        Ok(_) => true,
        Err(PortError::Unavailable(_)) => false,
        Err(other) => panic!("{other}"),
    }
}

/// Returns the reference that a payload of this step would have.
fn place_of(run: &Run, value: &Value) -> ObjectRef {
    let sha256 = sha256_hex(value);
    ObjectRef { key: format!("{}/{}/n1/{sha256}", run.org, run.id), bytes: canonical(value).len() as u64, sha256 }
}

/// Two invocations did the same step. The one whose record is not kept leaves no object, and deletes none of the other.
pub async fn an_upload_that_no_record_refers_to_does_not_stay(store: &impl Subject) {
    let maker = Maker::new(27);
    let run = new_run(&maker);
    let (first, second) = (of_bytes(MAX_INLINE_BYTES + 1), of_bytes(MAX_INLINE_BYTES + 2));
    let kept = store.runs().record(&run, step_of(&run, "n1", first.clone())).await.unwrap();
    let step = StepRecord { input: Some(Payload::of(first.clone())), ..step_of(&run, "n1", second.clone()) };
    assert_eq!(store.runs().record(&run, step).await.unwrap(), kept, "the first record counts");
    assert!(!is_there(store, &place_of(&run, &second)).await, "what the second one put out");
    assert!(is_there(store, &place_of(&run, &first)).await, "the input of the second one is the output of the first");

    // The same bytes are the same object: a repetition must not delete it.
    assert_eq!(store.runs().record(&run, step_of(&run, "n1", first.clone())).await.unwrap(), kept);
    assert!(is_there(store, &place_of(&run, &first)).await);
    assert_eq!(store.runs().step(&run, &kept.node, crate::build::at(9)).await.unwrap(), Some(kept));
}

/// The same for objects that a retry copies: those of the run before it stay.
pub async fn a_copy_that_no_record_refers_to_does_not_stay(store: &impl Subject) {
    let maker = Maker::new(28);
    let (before, value) = (new_run(&maker), of_bytes(MAX_INLINE_BYTES + 1));
    let run = maker.run(before.org, before.flow, &crate::build::chain(3), crate::build::at(9));
    let old = store.runs().record(&before, step_of(&before, "n1", value.clone())).await.unwrap();
    let kept = store.runs().record(&run, step_of(&run, "n1", json!("small"))).await.unwrap();
    assert_eq!(store.runs().record(&run, StepRecord { run: run.id, ..old.clone() }).await.unwrap(), kept);
    assert!(!is_there(store, &place_of(&run, &value)).await);
    assert_eq!(stored(store, old.output).await.1, value);
}
