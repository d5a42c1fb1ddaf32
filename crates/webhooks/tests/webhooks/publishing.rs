//! What becomes an event, for whom, and what that costs those who do not want to know.

use domain::webhook::StreamChange;
use serde_json::json;
use testkit::build::{Maker, actor, approve, canonical, gate, spec, task};
use testkit::{Fate, Reply};

use crate::house::House;

fn names(house: &House) -> Vec<String> {
    let mut names: Vec<String> = house.queued().into_values().map(|(name, _)| name).collect();
    names.sort();
    names
}

fn emitting() -> serde_json::Value {
    spec(
        &[
            task("a", json!({})),
            json!({"id": "tell", "type": "webhook_emit", "event": "order.paid", "data": {"order": "${trigger.order}"}}),
        ],
        "a>tell",
    )
}

#[test]
fn a_run_from_its_start_over_an_approval_to_its_end() {
    let house = House::of(&canonical());
    house.endpoint("https://a.test", &["*"]);
    house.world.effects.answer("draft", Reply::parsed(&json!({"amount": 7})));
    let run = house.world.start(json!({"ticket": "T-1"}));
    house.world.play();
    house.world.decide(run, "", &actor("usr_ada"), approve()).unwrap();
    house.world.play_to_end(run);
    house.publish_all();
    let expected = ["flow.run.awaiting_approval", "flow.run.started", "flow.run.succeeded", "generation.completed", "generation.started"];
    assert_eq!(names(&house), expected);
}

#[test]
fn what_a_flow_emits_has_the_id_that_its_step_has_recorded() {
    let house = House::of(&emitting());
    house.endpoint("https://a.test", &["order.*"]);
    let run = house.world.start(json!({"order": "A-1"}));
    house.world.play_to_end(run);
    house.publish_all();
    let recorded = house.world.record(run, "tell").unwrap().output.unwrap();
    let (id, (name, body)) = house.queued().pop_first().unwrap();
    assert_eq!((json!(id), name.as_str()), (recorded.value().unwrap().as_ref().clone(), "order.paid"));
    assert_eq!((&body["id"], &body["event"], &body["data"]), (&json!(id), &json!("order.paid"), &json!({"order": "A-1"})));
    assert_eq!(names(&house).len(), 1, "nothing else was wanted");
}

#[test]
fn a_retry_does_not_tell_again_of_what_it_took_over() {
    let house = House::of(&spec(
        &[
            testkit::build::llm("draft", json!({})),
            json!({"id": "tell", "type": "webhook_emit", "event": "order.paid"}),
            task("last", json!({})),
        ],
        "draft>tell tell>last",
    ));
    house.endpoint("https://a.test", &["order.paid", "generation.*"]);
    house.world.effects.answer("last", Reply::refused());
    let run = house.world.start(json!({}));
    house.world.play_to_end(run);
    let again =
        house.world.engine.retry(&house.world.entropy, &house.world.org, &run, &house.world.starter, engine::RetryOptions::default());
    let again = house.world.call(again).unwrap().unwrap().run.id;
    house.world.play_to_end(again);
    house.publish_all();
    assert_eq!(names(&house), ["generation.completed", "generation.started", "order.paid"]);
}

#[test]
fn an_organisation_without_endpoints_costs_one_read_for_a_batch() {
    let house = House::of(&spec(&[gate("g", json!({}))], ""));
    let first = house.world.start(json!({"ticket": "T-1"}));
    let second = house.world.start(json!({"ticket": "T-2"}));
    house.world.play();
    house.world.cancel(first, "no").unwrap();
    house.world.cancel(second, "no").unwrap();
    let before = house.world.faults.calls().len();
    house.publish_all();
    let calls: Vec<&str> = house.world.faults.calls()[before..].iter().map(|call| call.name).collect();
    assert_eq!(calls, ["endpoints"]);
}

#[test]
fn nothing_is_read_of_a_run_that_nobody_wants_to_hear_of() {
    let house = House::of(&spec(&[gate("g", json!({}))], ""));
    house.endpoint("https://a.test", &["order.*"]);
    let run = house.world.start(json!({"ticket": "T-1"}));
    house.world.play();
    house.world.cancel(run, "no").unwrap();
    let before = house.world.faults.calls().len();
    house.publish_all();
    let calls: Vec<&str> = house.world.faults.calls()[before..].iter().map(|call| call.name).collect();
    assert_eq!(calls, ["endpoints"]);
}

#[test]
fn another_organisation_hears_nothing() {
    let house = House::of(&canonical());
    let other = Maker::new(99).org();
    house.endpoint_of(other, "https://eve.test", &["*"]);
    house.world.start(json!({"ticket": "T-1"}));
    house.world.play();
    house.publish_all();
    assert!(house.queue.messages().is_empty());
}

#[test]
fn each_endpoint_gets_a_delivery_of_its_own_and_the_event_is_one() {
    let house = House::of(&canonical());
    let ids = [house.endpoint("https://a.test", &["flow.run.started"]), house.endpoint("https://b.test", &["*"])];
    house.world.start(json!({"ticket": "T-1"}));
    house.publish_all();
    let [a, b] = ids.map(|id| house.deliveries(&id));
    assert_eq!((a.len(), b.len()), (1, 1));
    assert_eq!(a[0].event, b[0].event);
    assert_ne!(a[0].id, b[0].id);
}

#[test]
fn what_half_failed_is_told_apart_and_nothing_is_told_twice() {
    let house = House::of(&emitting());
    let endpoint = house.endpoint("https://a.test", &["*"]);
    let run = house.world.start(json!({"order": 1}));
    house.world.play_to_end(run);
    let interesting = |change: &StreamChange| !domain::webhook::domain_events(change).is_empty();
    let changes: Vec<StreamChange> = house.world.store.streamed().into_iter().filter(interesting).collect();
    assert_eq!(changes.len(), 3, "it began, it told, it ended");
    // The second of three entries is refused by the queue.
    house.queue_faults.strike_call("send", 2, Fate::FailBefore);
    assert_eq!(house.publish(&changes), [true, false, true]);
    house.queue_faults.clear();
    // As the stream does it: from the first that failed.
    assert_eq!(house.publish(&changes[1..]), [true, true]);
    assert_eq!(house.deliveries(&endpoint).len(), 3);
    // Four messages, of which one is a repetition, and three events arrive.
    assert_eq!(house.queue.messages().len(), 4);
    house.deliver_all();
    assert_eq!(house.sender.sent_requests().len(), 3);
}

#[test]
fn a_batch_whose_endpoints_cannot_be_read_fails_whole_and_leaves_nothing_behind() {
    let house = House::of(&emitting());
    let endpoint = house.endpoint("https://a.test", &["*"]);
    house.world.start(json!({"order": 1}));
    house.world.faults.strike_call("endpoints", 1, Fate::FailBefore);
    let outcomes = house.publish(&house.world.store.streamed());
    assert!(!outcomes[0]);
    house.world.faults.clear();
    assert!(house.deliveries(&endpoint).is_empty() && house.queue.messages().is_empty());
    house.publish_all();
    assert_eq!(house.deliveries(&endpoint).len(), 1);
}
