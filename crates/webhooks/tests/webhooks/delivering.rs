//! From the queue to endpoints: signatures, attempts, secrets, and slow endpoints.

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

use crate::stack::Stack;

const A: &str = "https://a.test/hook";

/// Returns a stack with one event for `A` in its queue, and the endpoint.
fn stack() -> (Stack, EndpointId) {
    let stack = Stack::of(&chain(1));
    let endpoint = stack.endpoint(A, &["flow.run.started"]);
    stack.deployment.start(json!({"ticket": 1}));
    stack.publish_all();
    (stack, endpoint)
}

fn only(stack: &Stack, endpoint: &EndpointId) -> Delivery {
    let mut all = stack.deliveries(endpoint);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn again(stack: &Stack, delivery: &Delivery) -> Result<Delivery, ApplicationError> {
    let clock = &stack.deployment.clock;
    let asked = webhooks::redeliver(&stack.deployment.store, &stack.queue, clock, &delivery.org, &delivery.endpoint, &delivery.id);
    block_on(clock, asked)
}

#[test]
fn a_delivery_is_signed_like_a_webhook_trigger() {
    let (stack, endpoint) = stack();
    stack.deliver_all();
    let sent_requests = stack.sender.sent_requests();
    assert_eq!(sent_requests.len(), 1);
    let request = &sent_requests[0];
    let delivery = only(&stack, &endpoint);
    assert!(verify(&SecretString::from(A), request.body.as_bytes(), &request.headers["x-quantum-signature"]));
    assert_eq!(request.headers["x-quantum-event"], "flow.run.started");
    assert_eq!(request.headers["x-quantum-delivery"], delivery.id.to_string());
    assert_eq!((request.headers["x-quantum-attempt"].as_str(), request.headers["content-type"].as_str()), ("1", "application/json"));
    assert_eq!(request.headers["x-quantum-timestamp"], request.at.to_string());
    assert_eq!((delivery.status, delivery.attempts, delivery.last_status_code), (DeliveryStatus::Succeeded, 1, Some(200)));
    assert!(delivery.id.to_string().starts_with("whd_") && delivery.event.to_string().starts_with("evt_"));
}

#[test]
fn a_delivery_that_fails_is_repeated_eight_times_within_a_day_with_the_same_bytes_and_then_dead_lettered() {
    let (stack, endpoint) = stack();
    stack.sender.answer(A, &[500; 9]);
    let begun = stack.deployment.clock.now();
    stack.deliver_all();
    let sent_requests = stack.sender.sent_requests();
    let waits: Vec<u64> = sent_requests.windows(2).map(|pair| pair[1].at.millis_since(pair[0].at) / 1000).collect();
    let planned = domain::webhook::RETRY_AFTER_SECONDS;
    assert!(waits.iter().zip(planned).all(|(wait, planned)| (planned * 9 / 10..=planned).contains(wait)), "{waits:?}");
    assert!(sent_requests[8].at.millis_since(begun) <= 24 * 3600 * 1000);
    assert!(sent_requests.iter().all(|request| request.body == sent_requests[0].body));
    let attempts: Vec<&str> = sent_requests.iter().map(|request| request.headers["x-quantum-attempt"].as_str()).collect();
    assert_eq!(attempts, ["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    let delivery = only(&stack, &endpoint);
    assert_eq!((delivery.status, delivery.attempts, delivery.answer.as_deref()), (DeliveryStatus::Dead, 9, Some("answer")));
    assert_eq!(stack.queue.dead(), [delivery.message().text()]);
}

#[test]
fn an_endpoint_that_asks_for_a_wait_is_left_alone_for_so_long() {
    let (stack, endpoint) = stack();
    stack.sender.answer_later(A, 429, 3_600);
    stack.deliver_all();
    let sent = stack.sender.sent_requests();
    assert_eq!(sent.iter().map(|request| request.at.millis_since(sent[0].at) / 1000).collect::<Vec<_>>(), [0, 3_600]);
    assert_eq!(only(&stack, &endpoint).status, DeliveryStatus::Succeeded);
}

#[test]
fn an_endpoint_that_is_gone_receives_no_other_attempt() {
    let (stack, endpoint) = stack();
    stack.sender.answer(A, &[410]);
    stack.deliver_all();
    let delivery = only(&stack, &endpoint);
    assert_eq!((delivery.status, delivery.attempts, delivery.last_status_code), (DeliveryStatus::Dead, 1, Some(410)));
    assert_eq!(stack.sender.sent_requests().len(), 1);
    assert_eq!(stack.queue.dead(), [delivery.message().text()]);
}

#[test]
fn a_delivery_that_fails_at_first_succeeds_later() {
    let (stack, endpoint) = stack();
    stack.sender.answer(A, &[503, 404]);
    stack.deliver_all();
    assert_eq!(stack.sender.sent_requests().len(), 3);
    let delivery = only(&stack, &endpoint);
    assert_eq!((delivery.status, delivery.attempts, delivery.answer), (DeliveryStatus::Succeeded, 3, None));
    assert!(stack.queue.dead().is_empty());
}

#[test]
fn a_dead_delivery_can_be_redelivered_under_the_same_ids() {
    let (stack, endpoint) = stack();
    stack.sender.answer(A, &[500; 9]);
    stack.deliver_all();
    let dead = only(&stack, &endpoint);
    let pending = again(&stack, &dead).unwrap();
    assert_eq!((pending.status, pending.id, pending.event), (DeliveryStatus::Pending, dead.id, dead.event));
    stack.deliver_all();
    let sent_requests = stack.sender.sent_requests();
    assert_eq!((sent_requests.len(), &sent_requests[9].body), (10, &sent_requests[0].body));
    assert_eq!(sent_requests[9].headers["x-quantum-delivery"], sent_requests[0].headers["x-quantum-delivery"]);
    assert_eq!(sent_requests[9].headers["x-quantum-attempt"], "10");
    assert_eq!(only(&stack, &endpoint).status, DeliveryStatus::Succeeded);
}

#[test]
fn a_delivery_that_is_redelivered_while_it_waits_is_sent_once() {
    let (stack, endpoint) = stack();
    stack.sender.answer(A, &[500]);
    stack.deliver();
    again(&stack, &only(&stack, &endpoint)).unwrap();
    stack.deliver_all();
    assert_eq!(stack.sender.sent_requests().len(), 2, "the message of the first round has nothing left to do");
    assert_eq!(only(&stack, &endpoint).attempts, 2);
}

#[test]
fn a_message_that_comes_twice_is_not_a_second_delivery() {
    let (stack, endpoint) = stack();
    let text = only(&stack, &endpoint).message().text();
    stack.queue.put(&text);
    stack.deliver();
    // Both were in progress at the same time: one of them has recorded the attempt.
    assert!((1..=2).contains(&stack.sender.sent_requests().len()));
    let sent = stack.sender.sent_requests().len();
    stack.queue.put(&text);
    stack.deliver_all();
    assert_eq!(stack.sender.sent_requests().len(), sent);
    assert_eq!(only(&stack, &endpoint).attempts, 1);
}

#[test]
fn a_deleted_endpoint_receives_nothing_more() {
    let (stack, endpoint) = stack();
    stack.sender.answer(A, &[500; 9]);
    stack.deliver();
    let clock = &stack.deployment.clock;
    let removed = webhooks::update_endpoints(&stack.deployment.store, &stack.deployment.org, |endpoints| endpoints.remove(&endpoint));
    block_on(clock, removed).unwrap();
    stack.deliver_all();
    assert_eq!(stack.sender.sent_requests().len(), 1);
    assert!(stack.queue.messages().is_empty() && stack.queue.dead().is_empty());
    assert_eq!(only(&stack, &endpoint).owed_at(), None, "it is not due any more");
    let refused = again(&stack, &only(&stack, &endpoint)).unwrap_err();
    assert!(matches!(refused, ApplicationError::NotFound("webhook")));
}

#[test]
fn a_new_secret_signs_from_the_next_attempt_on() {
    let (stack, endpoint) = stack();
    stack.sender.answer(A, &[500]);
    stack.deliver();
    let (clock, org) = (&stack.deployment.clock, stack.deployment.org);
    let secret = block_on(clock, async {
        let (secret, sealed) = webhooks::create_secret(&MemoryVault, &org, &endpoint, [1, 2]).await.unwrap();
        webhooks::update_endpoints(&stack.deployment.store, &org, |endpoints| endpoints.rotate(&endpoint, sealed.clone(), clock.now()))
            .await
            .unwrap();
        secret
    });
    assert!(secret.expose_secret().starts_with("whsec_"));
    stack.deliver_all();
    let sent_requests = stack.sender.sent_requests();
    let signed_by = |at: usize, secret: &SecretString| {
        verify(secret, sent_requests[at].body.as_bytes(), &sent_requests[at].headers["x-quantum-signature"])
    };
    assert!(signed_by(0, &SecretString::from(A)) && signed_by(1, &secret) && !signed_by(1, &SecretString::from(A)));
}

#[test]
fn a_change_whose_answer_was_lost_is_one_change() {
    let (stack, endpoint) = stack();
    let (clock, store, org) = (&stack.deployment.clock, &stack.deployment.store, stack.deployment.org);
    let all = || block_on(clock, store.endpoints(&org)).unwrap();
    let kept = all().all[0].clone();
    let other = Endpoint { id: EndpointId::new(at(9), 9), ..kept.clone() };
    let twice = || stack.deployment.faults.strike_call("put_endpoints", 1, Fate::Twice);
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
    let (stack, endpoint) = stack();
    let clock = &stack.deployment.clock;
    let (eve, id) = (Maker::new(99).org(), endpoint);
    block_on(clock, async {
        let (_, sealed) = webhooks::create_secret(&MemoryVault, &eve, &id, [1, 2]).await.unwrap();
        webhooks::update_endpoints(&stack.deployment.store, &stack.deployment.org, |endpoints| {
            endpoints.rotate(&id, sealed.clone(), clock.now())
        })
        .await
        .unwrap();
    });
    stack.deliver();
    assert!(stack.sender.sent_requests().is_empty());
    let delivery = only(&stack, &endpoint);
    assert_eq!((delivery.status, delivery.error.unwrap().contains("rotate")), (DeliveryStatus::Failed, true));
}

#[test]
fn a_slow_endpoint_delays_no_other_one() {
    let stack = Stack::of(&chain(1));
    let other = Maker::new(99).org();
    let slow = stack.endpoint(A, &["*"]);
    stack.sender.slow_down(A, 9_000);
    let b = "https://b.test/hook";
    let quick = stack.endpoint_of(other, b, &["*"]);
    let clock = &stack.deployment.clock;
    block_on(clock, async {
        for (org, endpoint) in [(stack.deployment.org, slow), (stack.deployment.org, slow), (other, quick)] {
            webhooks::test(&stack.deployment.store, &stack.queue, clock, &org, &endpoint, stack.deployment.entropy.random()).await.unwrap();
        }
    });
    let begun = clock.now();
    assert_eq!(stack.deliver(), 3);
    let sent_requests = stack.sender.sent_requests();
    let after: Vec<(&str, u64)> = sent_requests.iter().map(|request| (request.url.as_str(), request.at.millis_since(begun))).collect();
    assert_eq!(after, [(b, 0), (A, 9_000), (A, 9_000)], "all at once, in one batch");
}

#[test]
fn of_64_deliveries_that_come_twice_in_many_invocations_at_once_each_is_recorded_once() {
    let (stack, endpoint) = stack();
    let (clock, store) = (&stack.deployment.clock, &stack.deployment.store);
    stack.deliver_all();
    block_on(clock, async {
        for _ in 0..64 {
            webhooks::test(store, &stack.queue, clock, &stack.deployment.org, &endpoint, stack.deployment.entropy.random()).await.unwrap();
        }
    });
    let messages: Vec<String> = stack.queue.receive(64).into_iter().map(|(_, body)| body).collect();
    assert_eq!(messages.len(), 64);
    stack.deployment.faults.pause_at_every_call(true);
    // Sixteen invocations of eight messages each, every message in two of them.
    let batches = messages.chunks(8).chain(messages.chunks(8)).map(|batch| stack.deliverer.deliver(batch, clock));
    let done: Vec<bool> = block_on(clock, join_all(batches)).into_iter().flatten().collect();
    stack.deployment.faults.pause_at_every_call(false);
    assert!(done.len() == 128 && done.into_iter().all(|done| done));
    let deliveries = stack.deliveries(&endpoint);
    assert!(deliveries.len() == 65 && deliveries.iter().all(|each| (each.status, each.attempts) == (DeliveryStatus::Succeeded, 1)));
}

#[test]
fn whichever_call_fails_no_delivery_is_lost_and_none_that_succeeded_is_repeated() {
    // The nth call of the store or the queue fails, in each way in which a call can fail.
    for fate in [Fate::FailBefore, Fate::LoseAnswer, Fate::Twice] {
        for nth in 1..=6 {
            let (stack, endpoint) = stack();
            stack.sender.answer(A, &[500]);
            stack.deployment.faults.strike(nth, fate);
            stack.deliver();
            stack.deployment.faults.clear();
            stack.queue_faults.strike_call("send", 1, fate);
            stack.deliver_all();
            let delivery = only(&stack, &endpoint);
            assert_eq!(delivery.status, DeliveryStatus::Succeeded, "{fate:?} of call {nth}");
            assert!(stack.sender.sent_requests().len() <= 3, "{fate:?} of call {nth}: {}", stack.sender.sent_requests().len());
        }
    }
}

#[test]
fn a_message_that_cannot_be_read_is_dead_lettered() {
    let (stack, _) = stack();
    for text in ["", "{}", "null", r#"{"org":"org_1"}"#, "\u{0}"] {
        stack.queue.put(text);
    }
    stack.deliver_all();
    assert_eq!((stack.queue.dead().len(), stack.sender.sent_requests().len()), (5, 1));
}

#[test]
fn a_test_goes_to_its_endpoint_whatever_that_subscribes_to() {
    let (stack, endpoint) = stack();
    stack.endpoint("https://b.test/hook", &["*"]);
    stack.deliver_all();
    let clock = &stack.deployment.clock;
    let sent = webhooks::test(&stack.deployment.store, &stack.queue, clock, &stack.deployment.org, &endpoint, 5);
    let delivery = block_on(clock, sent).unwrap();
    stack.deliver_all();
    let request = stack.sender.sent_requests().pop().unwrap();
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!((body["event"].as_str(), &body["data"]), (Some("webhook.test"), &json!({"source": "test"})));
    assert_eq!((request.url.as_str(), request.headers["x-quantum-delivery"].as_str()), (A, delivery.id.to_string().as_str()));
    assert_eq!(stack.sender.sent_requests().len(), 2);
    let other = Maker::new(99).org();
    let unknown = webhooks::test(&stack.deployment.store, &stack.queue, clock, &other, &endpoint, 5);
    assert!(matches!(block_on(clock, unknown), Err(ApplicationError::NotFound("webhook"))));
}
