//! From the queue to endpoints: signatures, repetitions, secrets, and who waits for whom.

use domain::fault::Fault;
use domain::ports::{Clock, Entropy};
use domain::signature::verify;
use domain::webhook::{Delivery, DeliveryStatus};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use testkit::build::{Maker, chain};
use testkit::{Fate, MemoryVault, block_on};

use crate::house::House;

const A: &str = "https://a.test/hook";

/// A house with one event for `A` in its queue.
fn house() -> (House, domain::id::EndpointId) {
    let house = House::of(&chain(1));
    let endpoint = house.endpoint(A, &["flow.run.started"]);
    house.world.start(json!({"ticket": 1}));
    house.publish_all();
    (house, endpoint)
}

fn only(house: &House, endpoint: &domain::id::EndpointId) -> Delivery {
    let mut all = house.deliveries(endpoint);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn again(house: &House, delivery: &Delivery) -> Result<Delivery, Fault> {
    let clock = &house.world.clock;
    let asked = webhooks::ask_again(&house.world.store, &house.queue, clock, &delivery.org, &delivery.endpoint, &delivery.id);
    block_on(clock, asked)
}

#[test]
fn a_delivery_is_signed_as_incoming_webhooks_are() {
    let (house, endpoint) = house();
    house.deliver_all();
    let parcels = house.courier.parcels();
    assert_eq!(parcels.len(), 1);
    let parcel = &parcels[0];
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
    house.courier.answer(A, &[500; 9]);
    let begun = house.world.clock.now();
    house.deliver_all();
    let parcels = house.courier.parcels();
    let waits: Vec<u64> = parcels.windows(2).map(|pair| pair[1].at.millis_since(pair[0].at) / 1000).collect();
    assert_eq!(waits, domain::webhook::RETRY_AFTER_SECONDS);
    assert_eq!(parcels[8].at.millis_since(begun), 24 * 3600 * 1000);
    assert!(parcels.iter().all(|parcel| parcel.body == parcels[0].body));
    let attempts: Vec<&str> = parcels.iter().map(|parcel| parcel.headers["x-quantum-attempt"].as_str()).collect();
    assert_eq!(attempts, ["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    let delivery = only(&house, &endpoint);
    assert_eq!((delivery.status, delivery.attempts, delivery.answer.as_deref()), (DeliveryStatus::Dead, 9, Some("answer")));
    assert_eq!(house.queue.dead(), [delivery.message().text()]);
}

#[test]
fn what_fails_at_first_and_then_is_taken_is_done() {
    let (house, endpoint) = house();
    house.courier.answer(A, &[503, 404]);
    house.deliver_all();
    assert_eq!(house.courier.parcels().len(), 3);
    let delivery = only(&house, &endpoint);
    assert_eq!((delivery.status, delivery.attempts, delivery.answer), (DeliveryStatus::Succeeded, 3, None));
    assert!(house.queue.dead().is_empty());
}

#[test]
fn what_is_dead_can_be_asked_for_again_under_the_same_ids() {
    let (house, endpoint) = house();
    house.courier.answer(A, &[500; 9]);
    house.deliver_all();
    let dead = only(&house, &endpoint);
    let pending = again(&house, &dead).unwrap();
    assert_eq!((pending.status, pending.id, pending.event), (DeliveryStatus::Pending, dead.id, dead.event));
    house.deliver_all();
    let parcels = house.courier.parcels();
    assert_eq!((parcels.len(), &parcels[9].body), (10, &parcels[0].body));
    assert_eq!(parcels[9].headers["x-quantum-delivery"], parcels[0].headers["x-quantum-delivery"]);
    assert_eq!(parcels[9].headers["x-quantum-attempt"], "10");
    assert_eq!(only(&house, &endpoint).status, DeliveryStatus::Succeeded);
}

#[test]
fn what_is_asked_for_again_while_it_waits_is_sent_once() {
    let (house, endpoint) = house();
    house.courier.answer(A, &[500]);
    house.deliver();
    again(&house, &only(&house, &endpoint)).unwrap();
    house.deliver_all();
    assert_eq!(house.courier.parcels().len(), 2, "the message of the first round has nothing left to do");
    assert_eq!(only(&house, &endpoint).attempts, 2);
}

#[test]
fn a_message_that_comes_twice_is_no_second_delivery() {
    let (house, endpoint) = house();
    let text = only(&house, &endpoint).message().text();
    house.queue.put(&text);
    house.deliver();
    // Both were under way at the same time: one of them has recorded it.
    assert!((1..=2).contains(&house.courier.parcels().len()));
    let sent = house.courier.parcels().len();
    house.queue.put(&text);
    house.deliver_all();
    assert_eq!(house.courier.parcels().len(), sent);
    assert_eq!(only(&house, &endpoint).attempts, 1);
}

#[test]
fn a_deleted_endpoint_gets_nothing_more_of_what_is_on_its_way() {
    let (house, endpoint) = house();
    house.courier.answer(A, &[500; 9]);
    house.deliver();
    let clock = &house.world.clock;
    let removed = webhooks::changed(&house.world.store, &house.world.org, |endpoints| endpoints.remove(&endpoint));
    block_on(clock, removed).unwrap();
    house.deliver_all();
    assert_eq!(house.courier.parcels().len(), 1);
    assert!(house.queue.messages().is_empty() && house.queue.dead().is_empty());
    let refused = again(&house, &only(&house, &endpoint)).unwrap_err();
    assert!(matches!(refused, Fault::NotFound("webhook")));
}

#[test]
fn a_new_secret_signs_from_the_next_attempt_on() {
    let (house, endpoint) = house();
    house.courier.answer(A, &[500]);
    house.deliver();
    let (clock, org) = (&house.world.clock, house.world.org);
    let secret = block_on(clock, async {
        let (secret, sealed) = webhooks::made(&MemoryVault, &org, &endpoint, [1, 2]).await.unwrap();
        webhooks::changed(&house.world.store, &org, |endpoints| endpoints.rotate(&endpoint, sealed.clone(), clock.now())).await.unwrap();
        secret
    });
    assert!(secret.expose_secret().starts_with("whsec_"));
    house.deliver_all();
    let parcels = house.courier.parcels();
    let signed_by =
        |at: usize, secret: &SecretString| verify(secret, parcels[at].body.as_bytes(), &parcels[at].headers["x-quantum-signature"]);
    assert!(signed_by(0, &SecretString::from(A)) && signed_by(1, &secret) && !signed_by(1, &SecretString::from(A)));
}

#[test]
fn a_secret_that_was_sealed_for_another_place_signs_nothing() {
    let (house, endpoint) = house();
    let clock = &house.world.clock;
    let (eve, id) = (Maker::new(99).org(), endpoint);
    block_on(clock, async {
        let (_, sealed) = webhooks::made(&MemoryVault, &eve, &id, [1, 2]).await.unwrap();
        webhooks::changed(&house.world.store, &house.world.org, |endpoints| endpoints.rotate(&id, sealed.clone(), clock.now()))
            .await
            .unwrap();
    });
    house.deliver();
    assert!(house.courier.parcels().is_empty());
    assert_eq!(house.queue.messages().len(), 1, "it stays until somebody has looked at it");
}

#[test]
fn a_slow_endpoint_keeps_nobody_else_waiting() {
    let house = House::of(&chain(1));
    let other = Maker::new(99).org();
    let slow = house.endpoint(A, &["*"]);
    house.courier.slow_down(A, 9_000);
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
    let parcels = house.courier.parcels();
    let after: Vec<(&str, u64)> = parcels.iter().map(|parcel| (parcel.url.as_str(), parcel.at.millis_since(begun))).collect();
    assert_eq!(after, [(b, 0), (A, 9_000), (A, 9_000)], "all at once, in one batch");
}

#[test]
fn whatever_breaks_on_the_way_nothing_is_lost_and_what_is_done_stays_done() {
    // The nth call of the store or the queue breaks, in each way that a call can break.
    for fate in [Fate::FailBefore, Fate::LoseAnswer, Fate::Twice] {
        for nth in 1..=6 {
            let (house, endpoint) = house();
            house.courier.answer(A, &[500]);
            house.world.faults.strike(nth, fate);
            house.deliver();
            house.world.faults.clear();
            for call in ["postpone", "set_aside"] {
                house.queue_faults.strike_call(call, 1, fate);
            }
            house.deliver_all();
            let delivery = only(&house, &endpoint);
            assert_eq!(delivery.status, DeliveryStatus::Succeeded, "{fate:?} of call {nth}");
            assert!(house.courier.parcels().len() <= 3, "{fate:?} of call {nth}: {}", house.courier.parcels().len());
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
    assert_eq!((house.queue.dead().len(), house.courier.parcels().len()), (5, 1));
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
    let parcel = house.courier.parcels().pop().unwrap();
    let body: serde_json::Value = serde_json::from_str(&parcel.body).unwrap();
    assert_eq!((body["event"].as_str(), &body["data"]), (Some("webhook.test"), &json!({"source": "test"})));
    assert_eq!((parcel.url.as_str(), parcel.headers["x-quantum-delivery"].as_str()), (A, delivery.id.to_string().as_str()));
    assert_eq!(house.courier.parcels().len(), 2);
    let other = Maker::new(99).org();
    let unknown = webhooks::test(&house.world.store, &house.queue, clock, &other, &endpoint, 5);
    assert!(matches!(block_on(clock, unknown), Err(Fault::NotFound("webhook"))));
}
