//! A batch as the queue delivers it.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up should stop at once")]

use deliver_webhook::handle;
use lambda_runtime::LambdaEvent;
use serde_json::{Value, json};
use testkit::build::at;
use testkit::{Fate, Faults, ManualClock, Memory, MemoryQueue, MemoryVault, ScriptedMailSender, ScriptedWebhookSender, block_on};
use webhooks::Deliverer;

fn answer(faults: Faults) -> Value {
    let clock = ManualClock::at(at(0));
    let deliverer = Deliverer {
        webhooks: Memory::new(faults),
        queue: MemoryQueue::new(Faults::none(), clock.clone()),
        vault: MemoryVault,
        sender: ScriptedWebhookSender::new(clock.clone()),
        mail: ScriptedMailSender::default(),
    };
    let sample = serde_json::from_str(include_str!("../../../events/deliver-webhook/one-delivery.json")).unwrap();
    let event = LambdaEvent::new(sample, lambda_runtime::Context::default());
    serde_json::to_value(block_on(&clock, handle(&deliverer, &clock, event)).unwrap()).unwrap()
}

#[test]
fn a_delivery_to_an_endpoint_that_is_gone_is_done() {
    assert_eq!(answer(Faults::none()), json!({"batchItemFailures": []}));
}

#[test]
fn a_delivery_that_could_not_be_read_comes_again() {
    let faults = Faults::none();
    faults.strike_call("endpoints", 1, Fate::FailBefore);
    assert_eq!(answer(faults), json!({"batchItemFailures": [{"itemIdentifier": "059f36b4-87a3-44ab-83d2-661975830a7d"}]}));
}
