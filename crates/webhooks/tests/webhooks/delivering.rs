//! From the queue to endpoints: signatures, repetitions, secrets, and who waits for whom.

use domain::error::ApplicationError;
use domain::id::EndpointId;
use domain::ports::{Clock, Entropy, WebhookEndpoints};
use domain::signature::verify;
use domain::webhook::{Delivery, DeliveryStatus, Endpoint};
use futures_util::future::join_all;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use testkit::build::{Maker, at, chain};
use testkit::{Fate, MemoryVault, block_on};

use crate::house::House;

const A: &str = "https://a.test/hook";

/// A house with one event for `A` in its queue.
fn house() -> (House, EndpointId) {
    let house = House::of(&chain(1));
    let endpoint = house.endpoint(A, &["flow.run.started"]);
    house.world.start(json!({"ticket": 1}));
    house.publish_all();
    (house, endpoint)
}

fn only(house: &House, endpoint: &EndpointId) -> Delivery {
    let mut all = house.deliveries(endpoint);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn again(house: &House, delivery: &Delivery) -> Result<Delivery, ApplicationError> {
    let clock = &house.world.clock;
    let asked = webhooks::redeliver(&house.world.store, &house.queue, clock, &delivery.org, &delivery.endpoint, &delivery.id);
    block_on(clock, asked)
}

#[test]
fn a_delivery_is_signed_as_incoming_webhooks_are() {
    let (house, endpoint) = house();
    house.deliver_all();
    let sent_requests = house.sender.sent_requests();
    assert_eq!(sent_requests.len(), 1);
    let parcel = &sent_requests[0];
    let delivery = only(&house, &endpoint);
    assert!(verify(&SecretString::from(A), parcel.body.as_bytes(), &parcel.headers["x-quantum-signature"]));
    assert_eq!(parcel.headers["x-quantum-event"], "flow.run.started");
    assert_eq!(parcel.headers["x-quantum-delivery"], delivery.id.to_string());
    assert_eq!((parcel.headers["x-quantum-attempt"].as_str(), parcel.headers["content-type"].as_str()), ("1", "application/json"));
    assert_eq!(parcel.headers["x-quantum-timestamp"], parcel.at.to_string());
    assert_eq!((delivery.status, delivery.attempts, delivery.last_status_code), (DeliveryStatus::Succeeded, 1, Some(200)));
    assert!(delivery.id.to_string().starts_with("whd_") && delivery.event.to_string().starts_with("evt_"));
}

#[test]
fn what_fails_is_repeated_eight_times_within_a_day_with_the_same_bytes_and_then_set_aside() {
    let (house, endpoint) = house();
    house.sender.answer(A, &[500; 9]);
    let begun = house.world.clock.now();
    house.deliver_all();
    let sent_requests = house.sender.sent_requests();
    let waits: Vec<u64> = sent_requests.windows(2).map(|pair| pair[1].at.millis_since(pair[0].at) / 1000).collect();
    assert_eq!(waits, domain::webhook::RETRY_AFTER_SECONDS);
    assert_eq!(sent_requests[8].at.millis_since(begun), 24 * 3600 * 1000);
    assert!(sent_requests.iter().all(|parcel| parcel.body == sent_requests[0].body));
    let attempts: Vec<&str> = sent_requests.iter().map(|parcel| parcel.headers["x-quantum-attempt"].as_str()).collect();
    assert_eq!(attempts, ["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    let delivery = only(&house, &endpoint);
    assert_eq!((delivery.status, delivery.attempts, delivery.answer.as_deref()), (DeliveryStatus::Dead, 9, Some("answer")));
    assert_eq!(house.queue.dead(), [delivery.message().text()]);
}

#[test]
fn what_fails_at_first_and_then_is_taken_is_done() {
    let (house, endpoint) = house();
    house.sender.answer(A, &[503, 404]);
    house.deliver_all();
    assert_eq!(house.sender.sent_requests().len(), 3);
    let delivery = only(&house, &endpoint);
    assert_eq!((delivery.status, delivery.attempts, delivery.answer), (DeliveryStatus::Succeeded, 3, None));
    assert!(house.queue.dead().is_empty());
}

#[test]
fn what_is_dead_can_be_asked_for_again_under_the_same_ids() {
    let (house, endpoint) = house();
    house.sender.answer(A, &[500; 9]);
    house.deliver_all();
    let dead = only(&house, &endpoint);
    let pending = again(&house, &dead).unwrap();
    assert_eq!((pending.status, pending.id, pending.event), (DeliveryStatus::Pending, dead.id, dead.event));
    house.deliver_all();
    let sent_requests = house.sender.sent_requests();
    assert_eq!((sent_requests.len(), &sent_requests[9].body), (10, &sent_requests[0].body));
    assert_eq!(sent_requests[9].headers["x-quantum-delivery"], sent_requests[0].headers["x-quantum-delivery"]);
    assert_eq!(sent_requests[9].headers["x-quantum-attempt"], "10");
    assert_eq!(only(&house, &endpoint).status, DeliveryStatus::Succeeded);
}

#[test]
fn what_is_asked_for_again_while_it_waits_is_sent_once() {
    let (house, endpoint) = house();
    house.sender.answer(A, &[500]);
    house.deliver();
    again(&house, &only(&house, &endpoint)).unwrap();
    house.deliver_all();
    assert_eq!(house.sender.sent_requests().len(), 2, "the message of the first round has nothing left to do");
    assert_eq!(only(&house, &endpoint).attempts, 2);
}

#[test]
fn a_message_that_comes_twice_is_no_second_delivery() {
    let (house, endpoint) = house();
    let text = only(&house, &endpoint).message().text();
    house.queue.put(&text);
    house.deliver();
    // Both were under way at the same time: one of them has recorded it.
    assert!((1..=2).contains(&house.sender.sent_requests().len()));
    let sent = house.sender.sent_requests().len();
    house.queue.put(&text);
    house.deliver_all();
    assert_eq!(house.sender.sent_requests().len(), sent);
    assert_eq!(only(&house, &endpoint).attempts, 1);
}

#[test]
fn a_deleted_endpoint_gets_nothing_more_of_what_is_on_its_way() {
    let (house, endpoint) = house();
    house.sender.answer(A, &[500; 9]);
    house.deliver();
    let clock = &house.world.clock;
    let removed = webhooks::update_endpoints(&house.world.store, &house.world.org, |endpoints| endpoints.remove(&endpoint));
    block_on(clock, removed).unwrap();
    house.deliver_all();
    assert_eq!(house.sender.sent_requests().len(), 1);
    assert!(house.queue.messages().is_empty() && house.queue.dead().is_empty());
    assert_eq!(only(&house, &endpoint).owed_at(), None, "nobody looks for it any more");
    let refused = again(&house, &only(&house, &endpoint)).unwrap_err();
    assert!(matches!(refused, ApplicationError::NotFound("webhook")));
}

#[test]
fn a_new_secret_signs_from_the_next_attempt_on() {
    let (house, endpoint) = house();
    house.sender.answer(A, &[500]);
    house.deliver();
    let (clock, org) = (&house.world.clock, house.world.org);
    let secret = block_on(clock, async {
        let (secret, sealed) = webhooks::create_secret(&MemoryVault, &org, &endpoint, [1, 2]).await.unwrap();
        webhooks::update_endpoints(&house.world.store, &org, |endpoints| endpoints.rotate(&endpoint, sealed.clone(), clock.now()))
            .await
            .unwrap();
        secret
    });
    assert!(secret.expose_secret().starts_with("whsec_"));
    house.deliver_all();
    let sent_requests = house.sender.sent_requests();
    let signed_by = |at: usize, secret: &SecretString| {
        verify(secret, sent_requests[at].body.as_bytes(), &sent_requests[at].headers["x-quantum-signature"])
    };
    assert!(signed_by(0, &SecretString::from(A)) && signed_by(1, &secret) && !signed_by(1, &SecretString::from(A)));
}

#[test]
fn a_change_whose_answer_was_lost_is_one_change() {
    let (house, endpoint) = house();
    let (clock, store, org) = (&house.world.clock, &house.world.store, house.world.org);
    let all = || block_on(clock, store.endpoints(&org)).unwrap();
    let kept = all().all[0].clone();
    let other = Endpoint { id: EndpointId::new(at(9), 9), ..kept.clone() };
    let twice = || house.world.faults.strike_call("put_endpoints", 1, Fate::Twice);
    twice();
    block_on(clock, webhooks::update_endpoints(store, &org, |endpoints| endpoints.add(other.clone()))).unwrap();
    assert_eq!((all().all, all().rev), (vec![kept.clone(), other.clone()], 2));
    twice();
    let sealed = domain::secret::Sealed::from_text("new");
    let rotated =
        block_on(clock, webhooks::update_endpoints(store, &org, |endpoints| endpoints.rotate(&other.id, sealed.clone(), at(10)))).unwrap();
    assert_eq!((all().all, all().rev), (vec![kept, rotated], 3));
    twice();
    let gone = block_on(clock, webhooks::update_endpoints(store, &org, |endpoints| endpoints.remove(&endpoint))).unwrap();
    assert_eq!((gone.id, all().all.len(), all().rev), (endpoint, 1, 4));
    let unknown = block_on(clock, webhooks::update_endpoints(store, &org, |endpoints| endpoints.remove(&endpoint)));
    assert!(matches!(unknown, Err(ApplicationError::NotFound("webhook"))));
}

#[test]
fn a_secret_that_was_sealed_for_another_place_signs_nothing() {
    let (house, endpoint) = house();
    let clock = &house.world.clock;
    let (eve, id) = (Maker::new(99).org(), endpoint);
    block_on(clock, async {
        let (_, sealed) = webhooks::create_secret(&MemoryVault, &eve, &id, [1, 2]).await.unwrap();
        webhooks::update_endpoints(&house.world.store, &house.world.org, |endpoints| endpoints.rotate(&id, sealed.clone(), clock.now()))
            .await
            .unwrap();
    });
    house.deliver();
    assert!(house.sender.sent_requests().is_empty());
    let delivery = only(&house, &endpoint);
    assert_eq!((delivery.status, delivery.error.unwrap().contains("rotate")), (DeliveryStatus::Failed, true));
}

#[test]
fn a_slow_endpoint_keeps_nobody_else_waiting() {
    let house = House::of(&chain(1));
    let other = Maker::new(99).org();
    let slow = house.endpoint(A, &["*"]);
    house.sender.slow_down(A, 9_000);
    let b = "https://b.test/hook";
    let quick = house.endpoint_of(other, b, &["*"]);
    let clock = &house.world.clock;
    block_on(clock, async {
        for (org, endpoint) in [(house.world.org, slow), (house.world.org, slow), (other, quick)] {
            webhooks::test(&house.world.store, &house.queue, clock, &org, &endpoint, house.world.entropy.random()).await.unwrap();
        }
    });
    let begun = clock.now();
    assert_eq!(house.deliver(), 3);
    let sent_requests = house.sender.sent_requests();
    let after: Vec<(&str, u64)> = sent_requests.iter().map(|parcel| (parcel.url.as_str(), parcel.at.millis_since(begun))).collect();
    assert_eq!(after, [(b, 0), (A, 9_000), (A, 9_000)], "all at once, in one batch");
}

#[test]
fn of_64_deliveries_that_come_twice_in_many_invocations_at_once_each_is_recorded_once() {
    let (house, endpoint) = house();
    let (clock, store) = (&house.world.clock, &house.world.store);
    house.deliver_all();
    block_on(clock, async {
        for _ in 0..64 {
            webhooks::test(store, &house.queue, clock, &house.world.org, &endpoint, house.world.entropy.random()).await.unwrap();
        }
    });
    let messages: Vec<String> = house.queue.receive(64).into_iter().map(|(_, body)| body).collect();
    assert_eq!(messages.len(), 64);
    house.world.faults.pause_at_every_call(true);
    // Sixteen invocations of eight messages each, every message in two of them.
    let batches = messages.chunks(8).chain(messages.chunks(8)).map(|batch| house.deliverer.deliver(batch, clock));
    let done: Vec<bool> = block_on(clock, join_all(batches)).into_iter().flatten().collect();
    house.world.faults.pause_at_every_call(false);
    assert!(done.len() == 128 && done.into_iter().all(|done| done));
    let deliveries = house.deliveries(&endpoint);
    assert!(deliveries.len() == 65 && deliveries.iter().all(|each| (each.status, each.attempts) == (DeliveryStatus::Succeeded, 1)));
}

#[test]
fn whatever_breaks_on_the_way_nothing_is_lost_and_what_is_done_stays_done() {
    // The nth call of the store or the queue breaks, in each way that a call can break.
    for fate in [Fate::FailBefore, Fate::LoseAnswer, Fate::Twice] {
        for nth in 1..=6 {
            let (house, endpoint) = house();
            house.sender.answer(A, &[500]);
            house.world.faults.strike(nth, fate);
            house.deliver();
            house.world.faults.clear();
            house.queue_faults.strike_call("send", 1, fate);
            house.deliver_all();
            let delivery = only(&house, &endpoint);
            assert_eq!(delivery.status, DeliveryStatus::Succeeded, "{fate:?} of call {nth}");
            assert!(house.sender.sent_requests().len() <= 3, "{fate:?} of call {nth}: {}", house.sender.sent_requests().len());
        }
    }
}

#[test]
fn what_is_no_message_is_set_aside() {
    let (house, _) = house();
    for text in ["", "{}", "null", r#"{"org":"org_1"}"#, "\u{0}"] {
        house.queue.put(text);
    }
    house.deliver_all();
    assert_eq!((house.queue.dead().len(), house.sender.sent_requests().len()), (5, 1));
}

#[test]
fn a_test_goes_to_its_endpoint_whatever_that_wants() {
    let (house, endpoint) = house();
    house.endpoint("https://b.test/hook", &["*"]);
    house.deliver_all();
    let clock = &house.world.clock;
    let sent = webhooks::test(&house.world.store, &house.queue, clock, &house.world.org, &endpoint, 5);
    let delivery = block_on(clock, sent).unwrap();
    house.deliver_all();
    let parcel = house.sender.sent_requests().pop().unwrap();
    let body: serde_json::Value = serde_json::from_str(&parcel.body).unwrap();
    assert_eq!((body["event"].as_str(), &body["data"]), (Some("webhook.test"), &json!({"source": "test"})));
    assert_eq!((parcel.url.as_str(), parcel.headers["x-quantum-delivery"].as_str()), (A, delivery.id.to_string().as_str()));
    assert_eq!(house.sender.sent_requests().len(), 2);
    let other = Maker::new(99).org();
    let unknown = webhooks::test(&house.world.store, &house.queue, clock, &other, &endpoint, 5);
    assert!(matches!(block_on(clock, unknown), Err(ApplicationError::NotFound("webhook"))));
}
