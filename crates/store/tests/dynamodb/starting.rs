//! A run without an Idempotency-Key is created without a transaction.

use domain::ports::{CommitError, Runs};
use domain::step::Payload;
use serde_json::json;
use testkit::build::{Maker, at, chain};

use crate::block_on;
use crate::opened::open;

#[test]
fn a_run_whose_input_was_written_before_a_crash_does_not_exist_and_can_be_created() {
    block_on(async {
        let store = open().await;
        let maker = Maker::new(1);
        let run = maker.run(maker.org(), maker.flow_id(), &chain(1), at(0));
        store.metered.lose_answers_of(Some("PutItem"));
        assert!(matches!(store.runs.create(&run, &json!({"a": 1}), None).await, Err(CommitError::Port(_))));
        store.metered.lose_answers_of(None);
        assert_eq!(store.runs.load(&run.id).await.unwrap(), None, "the run came before its input");

        store.runs.create(&run, &json!({"a": 1}), None).await.unwrap();
        assert_eq!(store.runs.load(&run.id).await.unwrap().unwrap().id, run.id);
        assert_eq!(store.runs.create(&run, &json!({"a": 2}), None).await, Err(CommitError::Changed));
        assert_eq!(store.runs.input(&run).await.unwrap().sha256(), Payload::of(json!({"a": 1})).sha256());
    });
}
