//! Outbound webhooks: the endpoints of an organisation, events, and their deliveries.

use domain::id::{DeliveryId, EndpointId, EventId, OrgId};
use domain::ports::{CommitError, Deliveries, Entropy, WebhookEndpoints, Window};
use domain::secret::Sealed;
use domain::time::Time;
use domain::webhook::{AttemptResult, Delivery, Endpoint, Event, KEPT_SECONDS, Target};
use futures_util::future::join_all;
use serde_json::json;

use super::Subject;
use crate::build::{Maker, at};

/// Returns the time 30 days after tests begin.
fn later() -> Time {
    at(KEPT_SECONDS)
}

fn endpoint(maker: &Maker) -> Endpoint {
    Endpoint {
        id: EndpointId::new(at(1), maker.entropy().random()),
        target: Target::Webhook { url: "https://example.com/hook".to_owned(), secret: Sealed::from_text("sealed") },
        events: ["flow.run.*", "order.paid"].map(|name| name.parse().unwrap()).into(),
        description: None,
        secret_since: at(1),
        created_by: "usr_ada".to_owned(),
    }
}

fn event(maker: &Maker, org: OrgId, now: Time) -> Event {
    Event::new(EventId::new(at(0), maker.entropy().random()), "order.paid", org, now, json!({"ü": [1, 2.5]}))
}

/// After each write; without one there are none.
pub async fn endpoints_read_back_with_every_field(store: &impl Subject) {
    let maker = Maker::new(81);
    let (org, table) = (maker.org(), store.table());
    let none = table.endpoints(&org).await.unwrap();
    assert_eq!((none.all.len(), none.rev), (0, 0));
    let mut first = none.clone();
    first.add(endpoint(&maker)).unwrap();
    first.add(Endpoint { description: Some("Ours".to_owned()), secret_since: at(9), ..endpoint(&maker) }).unwrap();
    let slack = Target::Slack { origin: "https://hooks.example.com".to_owned(), url: Sealed::from_text("sealed URL") };
    let email = Target::Email { to: vec!["ada@example.org".to_owned(), "eve@example.org".to_owned()] };
    for target in [slack, email] {
        first.add(Endpoint { target, ..endpoint(&maker) }).unwrap();
    }
    let first = table.put_endpoints(first).await.unwrap();
    assert_eq!(table.endpoints(&org).await.unwrap(), first);
    assert_eq!(table.put_endpoints(none).await.unwrap_err(), CommitError::Changed);
    let mut second = first.clone();
    second.remove(&first.all[0].id).unwrap();
    let second = table.put_endpoints(second).await.unwrap();
    assert_eq!(table.put_endpoints(first).await.unwrap_err(), CommitError::Changed);
    assert_eq!(table.endpoints(&org).await.unwrap(), second);
}

/// A writer that is refused reads again.
pub async fn of_16_parallel_writes_of_endpoints_none_is_lost(store: &impl Subject) {
    let maker = Maker::new(82);
    let (org, table) = (maker.org(), store.table());
    let mut before = table.endpoints(&org).await.unwrap();
    for _ in 0..40 {
        before.add(endpoint(&maker)).unwrap();
    }
    table.put_endpoints(before).await.unwrap();
    let added = join_all((0..16).map(|_| endpoint(&maker)).map(async |endpoint| {
        loop {
            let mut endpoints = table.endpoints(&org).await.unwrap();
            if endpoints.add(endpoint.clone()).is_err() {
                return false;
            }
            match table.put_endpoints(endpoints).await {
                Ok(_) => return true,
                Err(error) => assert_eq!(error, CommitError::Changed),
            }
        }
    }));
    let added = added.await.into_iter().filter(|added| *added).count();
    assert_eq!((added, table.endpoints(&org).await.unwrap().all.len()), (10, 50));
}

/// It is stored to the byte, and a second one with its id changes nothing.
pub async fn an_event_is_stored_once_and_for_30_days(store: &impl Subject) {
    let maker = Maker::new(83);
    let (org, table) = (maker.org(), store.table());
    let first = event(&maker, org, at(5));
    table.put_event(&first).await.unwrap();
    let other = Event::new(first.id, "order.paid", org, at(6), json!({"other": true}));
    table.put_event(&other).await.unwrap();
    for (now, found) in [(at(0), true), (later(), true), (later().plus_seconds(4), true), (later().plus_seconds(5), false)] {
        assert_eq!(table.event(&org, &first.id, now).await.unwrap(), found.then(|| first.clone()), "{now}");
    }
    // A body of the greatest size.
    let large = Event { body: "x".repeat(domain::webhook::MAX_BODY_BYTES), ..event(&maker, org, at(5)) };
    table.put_event(&large).await.unwrap();
    assert_eq!(table.event(&org, &large.id, at(5)).await.unwrap(), Some(large));
}

/// Every field is read as it was written.
pub async fn a_delivery_is_stored_once_and_changes_only_as_it_was_read(store: &impl Subject) {
    let maker = Maker::new(84);
    let (org, table) = (maker.org(), store.table());
    let new = Delivery::new(&event(&maker, org, at(5)), endpoint(&maker).id);
    let read = async |now| table.delivery(&org, &new.endpoint, &new.id, now).await.unwrap();
    assert_eq!(read(at(5)).await, None);
    assert_eq!(table.update_delivery(new.clone()).await.unwrap_err(), CommitError::Changed, "what is not there is not changed");
    table.put_delivery(&new).await.unwrap();
    assert_eq!(read(at(5)).await, Some(new.clone()));
    let failed = new.attempted(AttemptResult::Answered { status: 503, body: b"busy".to_vec(), retry_after_seconds: None }, at(6));
    let failed = table.update_delivery(failed).await.unwrap();
    table.put_delivery(&new).await.unwrap();
    assert_eq!(read(at(6)).await, Some(failed.clone()));
    assert_eq!(table.update_delivery(new.again(at(7))).await.unwrap_err(), CommitError::Changed);
    let refused = table.update_delivery(failed.attempted(AttemptResult::Failed("refused".to_owned()), at(8))).await.unwrap();
    assert_eq!(refused.rev, 2);
    for (now, found) in [(later().plus_seconds(4), true), (later().plus_seconds(5), false)] {
        assert_eq!(read(now).await, found.then(|| refused.clone()), "{now}");
    }
}

/// A delivery is due after a failed attempt or a request, and neither before the first attempt nor after a success.
pub async fn a_due_delivery_is_found(store: &impl Subject) {
    let maker = Maker::new(87);
    let (org, table) = (maker.org(), store.table());
    // The suite may share a store, so only those of this organisation count.
    let due = async |now| {
        let due = table.due(now).await.unwrap();
        due.into_iter().filter(|(_, message)| message.org == org).collect::<Vec<_>>()
    };
    let new: Vec<Delivery> = (0..9).map(|_| Delivery::new(&event(&maker, org, at(5)), endpoint(&maker).id)).collect();
    for delivery in &new {
        table.put_delivery(delivery).await.unwrap();
    }
    assert_eq!(due(at(500)).await, [], "the stream sees to those");
    let answered = |status| AttemptResult::Answered { status, body: Vec::new(), retry_after_seconds: None };
    let failed = table.update_delivery(new[0].attempted(answered(500), at(6))).await.unwrap();
    let early = table.update_delivery(new[1].attempted(answered(500), at(4))).await.unwrap();
    let again = table.update_delivery(new[2].again(at(65))).await.unwrap();
    table.update_delivery(new[3].attempted(answered(200), at(6))).await.unwrap();
    let due_at = |delivery: &Delivery| delivery.next_attempt_at.unwrap();
    let expected = [(due_at(&early), early.message()), (at(65), again.message()), (due_at(&failed), failed.message())];
    assert_eq!(due(at(57)).await, []);
    let mut in_order = expected.to_vec();
    in_order.sort_by_key(|(at, _)| *at);
    assert_eq!(due(at(66)).await, in_order);
    table.update_delivery(failed.attempted(answered(200), at(66))).await.unwrap();
    let later = table.update_delivery(early.attempted(answered(500), at(66))).await.unwrap();
    assert_eq!(due(at(67)).await, expected[1..2]);
    assert_eq!(due(at(400)).await, [(at(65), again.message()), (due_at(&later), later.message())]);
}

/// Expired ones are neither listed nor counted.
pub async fn deliveries_are_listed_newest_first_page_by_page(store: &impl Subject) {
    let maker = Maker::new(85);
    let (org, table) = (maker.org(), store.table());
    let (ours, other) = (endpoint(&maker).id, endpoint(&maker).id);
    let mut all: Vec<Delivery> = (0..7).map(|second| Delivery::new(&event(&maker, org, at(second)), ours)).collect();
    for delivery in &all {
        table.put_delivery(delivery).await.unwrap();
    }
    table.put_delivery(&Delivery::new(&event(&maker, org, at(3)), other)).await.unwrap();
    all.reverse();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let window = Window { after, skip: 0, limit: 3, was_beyond_cap: false };
        let page = table.deliveries(&org, &ours, &window, at(9)).await.unwrap();
        assert_eq!(page.total, 7);
        seen.extend(page.rows);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, all);
    let window = Window { after: None, skip: 2, limit: 3, was_beyond_cap: false };
    assert_eq!(table.deliveries(&org, &ours, &window, at(9)).await.unwrap().rows, all[2..5]);
    // The oldest ones have expired.
    let page = table.deliveries(&org, &ours, &window, later().plus_seconds(2)).await.unwrap();
    assert_eq!((page.total, page.rows, page.next), (4, all[2..4].to_vec(), None));
}

/// Even if their ids are known.
pub async fn webhooks_of_another_organisation_are_not_found(store: &impl Subject) {
    let maker = Maker::new(86);
    let (org, other, table) = (maker.org(), maker.org(), store.table());
    let mut endpoints = table.endpoints(&org).await.unwrap();
    endpoints.add(endpoint(&maker)).unwrap();
    let id = table.put_endpoints(endpoints).await.unwrap().all[0].id;
    let event = event(&maker, org, at(5));
    let delivery = Delivery::new(&event, id);
    table.put_event(&event).await.unwrap();
    table.put_delivery(&delivery).await.unwrap();
    assert_eq!(table.endpoints(&other).await.unwrap().all, []);
    assert_eq!(table.event(&other, &event.id, at(5)).await.unwrap(), None);
    assert_eq!(table.delivery(&other, &id, &delivery.id, at(5)).await.unwrap(), None);
    let window = Window { after: None, skip: 0, limit: 3, was_beyond_cap: false };
    assert_eq!(table.deliveries(&other, &id, &window, at(5)).await.unwrap().total, 0);
    assert_eq!(table.delivery(&org, &id, &DeliveryId::new(at(5), 1), at(5)).await.unwrap(), None);
}
