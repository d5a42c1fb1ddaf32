//! A record that can never be processed holds up no other one.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up should stop at once")]

use lambda_runtime::{Context, LambdaEvent};
use purge_outputs::handle;
use serde_json::{Value, json};
use testkit::build::canonical;
use testkit::{Deployment, Faults, MemoryDeadLetters, block_on};

const EXPIRED: &str = include_str!("../../../events/purge-outputs/a-step-expired.json");

/// What the worker answers to a sample with a change, and the dead letters.
fn answer(change: impl FnOnce(&mut Value)) -> (Value, Vec<Value>) {
    let world = Deployment::of(&canonical());
    let mut sample: Value = serde_json::from_str(EXPIRED).unwrap();
    change(&mut sample["Records"][0]);
    let dead_letters = MemoryDeadLetters::new(Faults::none());
    let event = LambdaEvent::new(serde_json::from_value(sample).unwrap(), Context::default());
    let response = block_on(&world.clock, handle(&world.outputs, &dead_letters, event)).unwrap();
    let letters = dead_letters.all().iter().map(|letter| serde_json::from_str(letter).unwrap()).collect();
    (serde_json::to_value(response).unwrap(), letters)
}

#[test]
fn a_record_that_cannot_be_read_goes_to_the_dead_letter_queue_at_once() {
    let (response, letters) = answer(|record| record["dynamodb"]["OldImage"]["status"]["S"] = "unheard-of".into());
    assert_eq!(response, json!({"batchItemFailures": []}));
    assert_eq!(letters.len(), 1);
    let letter = letters.first().unwrap();
    assert_eq!((&letter["worker"], &letter["sk"]), (&json!("purge-outputs"), &json!("STEP#draft")));
}
