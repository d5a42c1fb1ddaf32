//! The sizes that the store in memory counts with are those of the items that the real store writes.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::ports::Runs;
use domain::run::{Run, RunError};
use domain::step::Payload;
use serde_json::json;
use testkit::build::{Maker, at, chain};
use testkit::limits::{gate_bytes, run_bytes, step_bytes};

use crate::block_on;
use crate::opened::open;
use crate::stored_format::Samples;

/// How far an estimate may be off, in bytes: what is short is counted as a constant.
const TOLERANCE: usize = 400;

/// The size of an item, as DynamoDB counts it: the names and the values of its attributes.
fn size(item: &HashMap<String, AttributeValue>) -> usize {
    item.iter().map(|(name, value)| name.len() + size_of(value)).sum()
}

fn size_of(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number.len() / 2 + 2,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::L(values) => 3 + values.iter().map(|value| 1 + size_of(value)).sum::<usize>(),
        AttributeValue::M(item) => 3 + item.len() + size(item),
        _ => 1,
    }
}

fn assert_about(what: &str, estimated: usize, item: &HashMap<String, AttributeValue>) {
    let actual = size(item);
    assert!(estimated.abs_diff(actual) <= TOLERANCE, "{what}: {estimated} bytes are estimated, the item has {actual}");
}

#[test]
fn the_sizes_in_memory_are_those_of_the_items() {
    block_on(async {
        let store = open().await;
        let samples = Samples::new();
        let maker = Maker::new(1);
        let run = maker.run(maker.org(), maker.flow_id(), &chain(50), at(0));
        store.runs.create(&run, &json!({}), None).await.unwrap();
        assert_about("a new run", run_bytes(&run), &store.raw_run(&run.id).await);
        let error = Some(RunError { node: Some("n1".to_owned()), message: "e".repeat(10_000) });
        let failed = Run { id: run.id, rev: run.rev, error, ..samples.runs[5].clone() };
        let gates: Vec<_> = samples.gates.iter().map(|gate| domain::gate::Gate { run: run.id, ..gate.clone() }).collect();
        let run = store.runs.commit(failed, &gates).await.unwrap();
        assert_about("a run with all fields", run_bytes(&run), &store.raw_run(&run.id).await);
        let pk = format!("RUN#{}", run.id);
        for gate in &gates {
            assert_about("a gate", gate_bytes(gate), &store.item(&pk, &format!("GATE#{}", gate.node)).await);
        }
        for step in &samples.steps {
            let step = domain::step::StepRecord {
                run: run.id,
                output: step.output.clone().or(Some(Payload::of(json!("x".repeat(50_000))))),
                ..step.clone()
            };
            let recorded = store.runs.record(&run, step).await.unwrap();
            assert_about("a step", step_bytes(&recorded), &store.item(&pk, &format!("STEP#{}", recorded.node)).await);
        }
    });
}
