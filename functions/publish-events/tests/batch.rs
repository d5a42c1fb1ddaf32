//! A batch as the stream delivers it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up should stop at once")]

use domain::id::{EndpointId, OrgId};
use domain::ports::{Deliveries, WebhookEndpoints};
use domain::secret::Sealed;
use domain::webhook::{Endpoint, Target};
use engine::DecisionHistory;
use lambda_runtime::LambdaEvent;
use publish_events::handle;
use serde_json::{Value, json};
use testkit::build::at;
use testkit::{Faults, ManualClock, Memory, MemoryDeadLetters, MemoryQueue, block_on};
use webhooks::Publisher;

const SAMPLE: &str = include_str!("../../../events/publish-events/a-run-emits-and-is-cancelled.json");

/// What the worker answers, the names of the events that it has queued, in order, and the keys of the dead letters.
fn published(events: &[&str], change: impl FnOnce(&mut Value)) -> (Value, Vec<String>, Vec<Value>) {
    let clock = ManualClock::at(at(0));
    let (store, queue) = (Memory::new(Faults::none()), MemoryQueue::new(Faults::none(), clock.clone()));
    let org: OrgId = "org_01M85EXE14SECWM1TBH3987TR1".parse().unwrap();
    let endpoint = Endpoint {
        id: EndpointId::new(at(0), 1),
        target: Target::Webhook { url: "https://a.test".to_owned(), secret: Sealed::from_text("sealed") },
        events: events.iter().map(|name| name.parse().unwrap()).collect(),
        description: None,
        secret_since: at(0),
        created_by: "usr_ada".to_owned(),
    };
    let mut sample: Value = serde_json::from_str(SAMPLE).unwrap();
    change(&mut sample);
    block_on(&clock, async {
        let mut endpoints = store.endpoints(&org).await.unwrap();
        endpoints.add(endpoint).unwrap();
        store.put_endpoints(endpoints).await.unwrap();
        let publisher =
            Publisher { runs: store.clone(), flows: store.clone(), webhooks: store.clone(), queue: queue.clone(), console: None };
        let history = DecisionHistory { runs: store.clone(), decisions: store.clone() };
        let event = LambdaEvent::new(serde_json::from_value(sample).unwrap(), lambda_runtime::Context::default());
        let dead_letters = MemoryDeadLetters::new(Faults::none());
        let answer = serde_json::to_value(handle(&publisher, &history, &dead_letters, &clock, event).await.unwrap()).unwrap();
        let mut names = Vec::new();
        for message in queue.messages() {
            let delivery = store.delivery(&message.org, &message.endpoint, &message.delivery, at(0)).await.unwrap();
            names.push(delivery.unwrap().event_name);
        }
        let letters = dead_letters.all().iter().map(|letter| serde_json::from_str::<Value>(letter).unwrap()["sk"].clone()).collect();
        (answer, names, letters)
    })
}

#[test]
fn the_events_that_are_subscribed_to_are_queued() {
    let published = published(&["order.paid", "flow.run.cancelled"], |_| {});
    let names = vec!["order.paid".to_owned(), "flow.run.cancelled".to_owned()];
    assert_eq!(published, (json!({"batchItemFailures": []}), names, vec![]));
}

/// The input of the run does not exist.
#[test]
fn an_event_that_can_never_be_made_goes_to_the_dead_letter_queue_and_the_rest_goes_on() {
    let (answer, names, letters) = published(&["*"], |_| {});
    assert_eq!((answer, letters), (json!({"batchItemFailures": []}), vec![json!("RUN")]));
    assert_eq!(names, ["order.paid", "flow.run.cancelled"]);
}

#[test]
fn a_record_that_can_never_be_read_goes_to_the_dead_letter_queue_and_the_rest_goes_on() {
    let (answer, names, letters) = published(&["order.paid", "flow.run.cancelled"], |sample| {
        sample["Records"][1]["dynamodb"]["NewImage"]["status"]["S"] = "unheard-of".into();
    });
    assert_eq!((answer, letters.len()), (json!({"batchItemFailures": []}), 1));
    assert_eq!(names, ["flow.run.cancelled"]);
}

#[test]
fn records_that_the_filter_should_have_left_out_are_passed_over() {
    let published = published(&["*"], |sample| {
        for (record, (pk, sk)) in [("KEY#ab", "KEY"), ("RUN#run_1", "INPUT"), ("ORG#org_1", "ORG")].into_iter().enumerate() {
            let keys = &mut sample["Records"][record]["dynamodb"]["Keys"];
            keys["pk"]["S"] = pk.into();
            keys["sk"]["S"] = sk.into();
        }
    });
    assert_eq!(published, (json!({"batchItemFailures": []}), vec![], vec![]));
}
