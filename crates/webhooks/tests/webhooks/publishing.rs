//! What becomes an event, for which endpoints, and what it costs an organisation that has no endpoint.

use domain::webhook::StreamChange;
use serde_json::json;
use testkit::build::{Maker, actor, approve, canonical, gate, spec, task};
use testkit::{Fate, Reply};

use crate::stack::Stack;

fn names(stack: &Stack) -> Vec<String> {
    let mut names: Vec<String> = stack.queued().into_values().map(|(name, _)| name).collect();
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
    let stack = Stack::of(&canonical());
    stack.endpoint("https://a.test", &["*"]);
    stack.deployment.effects.answer("draft", Reply::parsed(&json!({"amount": 7})));
    let run = stack.deployment.start(json!({"ticket": "T-1"}));
    stack.deployment.play();
    stack.deployment.decide(run, "", &actor("usr_ada"), approve()).unwrap();
    stack.deployment.play_to_end(run);
    stack.publish_all();
    let expected = [
        "approval.decided",
        "approval.opened",
        "flow.run.awaiting_approval",
        "flow.run.started",
        "flow.run.succeeded",
        "generation.completed",
        "generation.started",
    ];
    assert_eq!(names(&stack), expected);
}

#[test]
fn an_emitted_event_has_the_id_that_its_step_has_recorded() {
    let stack = Stack::of(&emitting());
    stack.endpoint("https://a.test", &["order.*"]);
    let run = stack.deployment.start(json!({"order": "A-1"}));
    stack.deployment.play_to_end(run);
    stack.publish_all();
    let recorded = stack.deployment.record(run, "tell").unwrap().output.unwrap();
    let (id, (name, body)) = stack.queued().pop_first().unwrap();
    assert_eq!((json!(id), name.as_str()), (recorded.value().unwrap().as_ref().clone(), "order.paid"));
    assert_eq!(
        (&body["id"], &body["event"], &body["data"], &body["traceId"]),
        (&json!(id), &json!("order.paid"), &json!({"order": "A-1"}), &json!(stack.deployment.run(run).trace_id))
    );
    assert_eq!(names(&stack).len(), 1, "nothing else was wanted");
}

#[test]
fn a_retry_does_not_repeat_the_events_of_what_it_took_over() {
    let stack = Stack::of(&spec(
        &[
            testkit::build::llm("draft", json!({})),
            json!({"id": "tell", "type": "webhook_emit", "event": "order.paid"}),
            task("last", json!({})),
        ],
        "draft>tell tell>last",
    ));
    stack.endpoint("https://a.test", &["order.paid", "generation.*"]);
    stack.deployment.effects.answer("last", Reply::refused());
    let run = stack.deployment.start(json!({}));
    stack.deployment.play_to_end(run);
    let again = stack.deployment.engine.retry(
        &stack.deployment.entropy,
        &stack.deployment.org,
        &run,
        &stack.deployment.starter,
        engine::RetryOptions::default(),
    );
    let again = stack.deployment.call(again).unwrap().unwrap().run.id;
    stack.deployment.play_to_end(again);
    stack.publish_all();
    assert_eq!(names(&stack), ["generation.completed", "generation.started", "order.paid"]);
}

#[test]
fn an_organisation_without_endpoints_costs_one_read_for_a_batch() {
    let stack = Stack::of(&spec(&[gate("g", json!({}))], ""));
    let first = stack.deployment.start(json!({"ticket": "T-1"}));
    let second = stack.deployment.start(json!({"ticket": "T-2"}));
    stack.deployment.play();
    stack.deployment.cancel(first, "no").unwrap();
    stack.deployment.cancel(second, "no").unwrap();
    let before = stack.deployment.faults.calls().len();
    stack.publish_all();
    let calls: Vec<&str> = stack.deployment.faults.calls()[before..].iter().map(|call| call.name).collect();
    assert_eq!(calls, ["endpoints"]);
}

#[test]
fn nothing_is_read_of_a_run_whose_events_no_endpoint_subscribes_to() {
    let stack = Stack::of(&spec(&[gate("g", json!({}))], ""));
    stack.endpoint("https://a.test", &["order.*"]);
    let run = stack.deployment.start(json!({"ticket": "T-1"}));
    stack.deployment.play();
    stack.deployment.cancel(run, "no").unwrap();
    let before = stack.deployment.faults.calls().len();
    stack.publish_all();
    let calls: Vec<&str> = stack.deployment.faults.calls()[before..].iter().map(|call| call.name).collect();
    assert_eq!(calls, ["endpoints"]);
}

#[test]
fn another_organisation_receives_nothing() {
    let stack = Stack::of(&canonical());
    let other = Maker::new(99).org();
    stack.endpoint_of(other, "https://eve.test", &["*"]);
    stack.deployment.start(json!({"ticket": "T-1"}));
    stack.deployment.play();
    stack.publish_all();
    assert!(stack.queue.messages().is_empty());
}

#[test]
fn each_endpoint_gets_a_delivery_of_its_own_and_the_event_is_one() {
    let stack = Stack::of(&canonical());
    let ids = [stack.endpoint("https://a.test", &["flow.run.started"]), stack.endpoint("https://b.test", &["*"])];
    stack.deployment.start(json!({"ticket": "T-1"}));
    stack.publish_all();
    let [a, b] = ids.map(|id| stack.deliveries(&id));
    assert_eq!((a.len(), b.len()), (1, 1));
    assert_eq!(a[0].event, b[0].event);
    assert_ne!(a[0].id, b[0].id);
}

#[test]
fn a_batch_that_failed_in_part_is_repeated_in_part_and_no_event_arrives_twice() {
    let stack = Stack::of(&emitting());
    let endpoint = stack.endpoint("https://a.test", &["*"]);
    let run = stack.deployment.start(json!({"order": 1}));
    stack.deployment.play_to_end(run);
    let interesting = |change: &StreamChange| !domain::webhook::domain_events(change).is_empty();
    let changes: Vec<StreamChange> = stack.deployment.store.streamed().into_iter().filter(interesting).collect();
    assert_eq!(changes.len(), 3, "it began, it told, it ended");
    // The second of three entries is refused by the queue.
    stack.queue_faults.strike_call("send", 2, Fate::FailBefore);
    assert_eq!(stack.publish(&changes), [true, false, true]);
    stack.queue_faults.clear();
    // As the stream does: from the first change that failed.
    assert_eq!(stack.publish(&changes[1..]), [true, true]);
    assert_eq!(stack.deliveries(&endpoint).len(), 3);
    // There are four messages, of which one is a repetition, and three events arrive.
    assert_eq!(stack.queue.messages().len(), 4);
    stack.deliver_all();
    assert_eq!(stack.sender.sent_requests().len(), 3);
}

#[test]
fn a_batch_whose_endpoints_cannot_be_read_fails_as_a_whole_and_stores_nothing() {
    let stack = Stack::of(&emitting());
    let endpoint = stack.endpoint("https://a.test", &["*"]);
    stack.deployment.start(json!({"order": 1}));
    stack.deployment.faults.strike_call("endpoints", 1, Fate::FailBefore);
    let outcomes = stack.publish(&stack.deployment.store.streamed());
    assert!(!outcomes[0]);
    stack.deployment.faults.clear();
    assert!(stack.deliveries(&endpoint).is_empty() && stack.queue.messages().is_empty());
    stack.publish_all();
    assert_eq!(stack.deliveries(&endpoint).len(), 1);
}
