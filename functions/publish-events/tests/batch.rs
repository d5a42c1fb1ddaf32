//! A batch as the stream delivers it.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up should stop at once")]

use domain::id::{EndpointId, OrgId};
use domain::ports::{Deliveries, WebhookEndpoints};
use domain::secret::Sealed;
use domain::webhook::Endpoint;
use lambda_runtime::LambdaEvent;
use publish_events::handle;
use serde_json::{Value, json};
use testkit::build::at;
use testkit::{Faults, ManualClock, Memory, MemoryQueue, block_on};
use webhooks::Publisher;

const SAMPLE: &str = include_str!("../../../events/publish-events/a-run-emits-and-is-cancelled.json");

/// What the handler answers, and the names of the events that it has queued, in order.
fn published(events: &[&str], change: impl FnOnce(&mut Value)) -> (Value, Vec<String>) {
    let clock = ManualClock::at(at(0));
    let (store, queue) = (Memory::new(Faults::none()), MemoryQueue::new(Faults::none(), clock.clone()));
    let org: OrgId = "org_01M85EXE14SECWM1TBH3987TR1".parse().unwrap();
    let endpoint = Endpoint {
        id: EndpointId::new(at(0), 1),
        url: "https://a.test".to_owned(),
        events: events.iter().map(|name| name.parse().unwrap()).collect(),
        description: None,
        secret: Sealed::from_text("sealed"),
        secret_since: at(0),
        created_by: "usr_ada".to_owned(),
    };
    let mut sample: Value = serde_json::from_str(SAMPLE).unwrap();
    change(&mut sample);
    block_on(&clock, async {
        let mut endpoints = store.endpoints(&org).await.unwrap();
        endpoints.add(endpoint).unwrap();
        store.put_endpoints(endpoints).await.unwrap();
        let publisher = Publisher { runs: store.clone(), flows: store.clone(), webhooks: store.clone(), queue: queue.clone() };
        let event = LambdaEvent::new(serde_json::from_value(sample).unwrap(), lambda_runtime::Context::default());
        let answer = handle(&publisher, &clock, event).await.unwrap();
        let mut names = Vec::new();
        for message in queue.messages() {
            let delivery = store.delivery(&message.org, &message.endpoint, &message.delivery, at(0)).await.unwrap();
            names.push(delivery.unwrap().event_name);
        }
        (answer, names)
    })
}

#[test]
fn what_is_wanted_of_a_batch_is_queued() {
    let (answer, names) = published(&["order.paid", "flow.run.cancelled"], |_| {});
    assert_eq!((answer, names), (json!({"batchItemFailures": []}), vec!["order.paid".to_owned(), "flow.run.cancelled".to_owned()]));
}

#[test]
fn what_fails_is_named_by_its_sequence_number() {
    // The run's input is not there to be told.
    let (answer, names) = published(&["*"], |_| {});
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "4421584500000000017450439011"}]}));
    assert_eq!(names, ["order.paid", "flow.run.cancelled"]);
    let (answer, names) = published(&["order.paid", "flow.run.cancelled"], |sample| {
        sample["Records"][2]["dynamodb"]["NewImage"]["status"]["S"] = "unheard-of".into();
    });
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "4421584500000000017450439013"}]}));
    assert_eq!(names, ["order.paid"]);
}

#[test]
fn what_the_filter_should_have_kept_away_is_passed_over() {
    let (answer, names) = published(&["*"], |sample| {
        for (record, (pk, sk)) in [("KEY#ab", "KEY"), ("RUN#run_1", "INPUT"), ("ORG#org_1", "ORG")].into_iter().enumerate() {
            let keys = &mut sample["Records"][record]["dynamodb"]["Keys"];
            keys["pk"]["S"] = pk.into();
            keys["sk"]["S"] = sk.into();
        }
    });
    assert_eq!((answer, names), (json!({"batchItemFailures": []}), Vec::new()));
}
