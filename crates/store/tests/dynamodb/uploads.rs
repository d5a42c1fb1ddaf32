//! Uploads whose record is not written.

use domain::ports::{PortError, Runs};
use domain::run::Run;
use domain::step::{MAX_INLINE_BYTES, ObjectRef, Payload, ResponseHead, StepRecord};
use serde_json::{Value, json};
use testkit::build::{Maker, at, chain, step};

use crate::block_on;
use crate::opened::open;

fn step_of(run: &Run, output: &Value, headers: Value) -> StepRecord {
    StepRecord { answer: Some(ResponseHead { status: 200, headers }), ..step(run, "n1", output.clone()) }
}

fn run_and_output() -> (Run, Value, ObjectRef) {
    let maker = Maker::new(1);
    let run = maker.run(maker.org(), maker.flow_id(), &chain(1), at(0));
    let output = json!("x".repeat(MAX_INLINE_BYTES));
    let payload = Payload::of(output.clone());
    let key = format!("{}/{}/n1/{}", run.org, run.id, payload.sha256());
    let object = ObjectRef { key, bytes: payload.bytes() as u64, sha256: payload.sha256() };
    (run, output, object)
}

#[test]
fn an_upload_whose_record_can_never_be_written_is_deleted() {
    block_on(async {
        let store = open().await;
        let (run, output, object) = run_and_output();
        // It is larger than an item.
        let record = step_of(&run, &output, json!({"x": "h".repeat(500_000)}));
        assert!(matches!(store.runs.record(&run, record).await, Err(PortError::Rejected(_))));
        assert!(matches!(store.runs.fetch(&object).await, Err(PortError::Unavailable(_))), "it was left behind");
    });
}

#[test]
fn an_upload_whose_record_may_have_been_written_stays() {
    block_on(async {
        let store = open().await;
        let (run, output, object) = run_and_output();
        store.metered.lose_answers_of(Some("PutItem"));
        let record = step_of(&run, &output, json!({}));
        assert!(matches!(store.runs.record(&run, record.clone()).await, Err(PortError::Unavailable(_))));
        store.metered.lose_answers_of(None);
        let kept = store.runs.step(&run, &record.node, at(9)).await.unwrap().unwrap();
        assert_eq!(kept.output, Some(Payload::Stored(object.clone())), "it had been written");
        assert_eq!(store.runs.fetch(&object).await.unwrap(), output);
        // The next invocation does the same, and finds the record.
        assert_eq!(store.runs.record(&run, record).await.unwrap(), kept);
        assert_eq!(store.runs.fetch(&object).await.unwrap(), output);
    });
}

#[test]
fn an_upload_that_was_refused_is_deleted_only_if_no_record_refers_to_it() {
    block_on(async {
        let store = open().await;
        let (run, output, object) = run_and_output();
        let kept = store.runs.record(&run, step_of(&run, &output, json!({}))).await.unwrap();
        // This record cannot be written, and has the same bytes as the stored one, which refers to them.
        let record = step_of(&run, &output, json!({"x": "h".repeat(500_000)}));
        _ = store.runs.record(&run, record).await;
        assert_eq!(store.runs.step(&run, &kept.node, at(9)).await.unwrap(), Some(kept));
        assert_eq!(store.runs.fetch(&object).await.unwrap(), output);
    });
}
