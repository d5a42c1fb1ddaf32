//! Notices of approvals for people: messages of Slack, and mails.

use domain::id::EndpointId;
use domain::ports::WebhookEndpoints;
use domain::secret::Sealed;
use domain::webhook::{Delivery, DeliveryStatus, Target};
use serde_json::{Value, json};
use testkit::build::canonical;
use testkit::{Reply, block_on};

use crate::stack::{CONSOLE, Stack};

const URL: &str = "https://hooks.slack.test/services/T0/B0/secret";

/// Returns a stack in which an approval was opened, with an endpoint that subscribes to it.
fn opened(endpoint: impl FnOnce(&Stack) -> EndpointId) -> (Stack, EndpointId, String) {
    let stack = Stack::of(&canonical());
    let endpoint = endpoint(&stack);
    let answer = json!({"text": "…", "parsed": {"amount": 7}, "model": "m-1", "inferenceMs": 1, "tokens": {"prompt": 1, "completion": 1, "total": 2}});
    stack.deployment.effects.answer("draft", Reply::output(answer));
    let run = stack.deployment.start(json!({"ticket": "T-1"}));
    stack.deployment.play();
    let approval = stack.deployment.gate(run, "review").unwrap().id.to_string();
    stack.publish_all();
    (stack, endpoint, format!("{CONSOLE}/approvals/{approval}"))
}

fn only(stack: &Stack, endpoint: &EndpointId) -> Delivery {
    let mut all = stack.deliveries(endpoint);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn an_approval_is_a_message_at_the_sealed_url_without_a_signature() {
    let (stack, endpoint, link) = opened(|stack| stack.slack(URL, &["approval.opened"]));
    stack.deliver_all();
    let sent = stack.sender.sent_requests();
    let [request] = sent.as_slice() else { panic!("{sent:?}") };
    assert_eq!((request.url.as_str(), request.headers.keys().collect::<Vec<_>>()), (URL, vec![&"content-type"]));
    let message: Value = serde_json::from_str(&request.body).unwrap();
    let text = message["text"].as_str().unwrap();
    assert!(text.contains("waits for a decision") && text.ends_with(&format!("<{link}|Open the approval>")), "{text}");
    assert_eq!(only(&stack, &endpoint).status, DeliveryStatus::Succeeded);
}

#[test]
fn the_url_of_slack_is_in_no_delivery() {
    let (stack, endpoint, _) = opened(|stack| stack.slack(URL, &["approval.opened"]));
    for says in [format!("no service at {URL}"), "no service at /services/T0/B0/secret".to_owned()] {
        stack.sender.answer_with(URL, 404, &says);
    }
    stack.sender.fail(URL, &format!("POST {URL} could not connect"));
    stack.sender.answer(URL, &[410]);
    for expected in ["no service at https://hooks.slack.test", "no service at /…", "POST https://hooks.slack.test could not connect"] {
        stack.deliver();
        let failed = only(&stack, &endpoint);
        let shown = failed.answer.or(failed.error);
        assert_eq!((failed.status, shown.as_deref()), (DeliveryStatus::Failed, Some(expected)));
        stack.deployment.clock.set(failed.next_attempt_at.unwrap());
        stack.tick().unwrap();
    }
    stack.deliver_all();
    assert_eq!((only(&stack, &endpoint).status, stack.sender.sent_requests().len()), (DeliveryStatus::Dead, 4));
}

#[test]
fn a_url_that_cannot_be_opened_is_a_failed_attempt() {
    let (stack, endpoint, _) = opened(|stack| stack.slack(URL, &["approval.opened"]));
    let clock = &stack.deployment.clock;
    block_on(clock, async {
        let mut endpoints = stack.deployment.store.endpoints(&stack.deployment.org).await.unwrap();
        endpoints.all[0].target = Target::slack(URL, Sealed::from_text("not sealed for this place"));
        stack.deployment.store.put_endpoints(endpoints).await.unwrap();
    });
    stack.deliver();
    let delivery = only(&stack, &endpoint);
    assert_eq!((delivery.status, stack.sender.sent_requests().len()), (DeliveryStatus::Failed, 0));
    assert!(delivery.error.unwrap().contains("register it again"));
}

#[test]
fn an_approval_is_one_mail_to_all_recipients() {
    let to = ["ada@example.org", "eve@example.org"];
    let (stack, endpoint, link) = opened(|stack| stack.email(&to, &["approval.opened"]));
    stack.deliver_all();
    let sent = stack.mail.sent();
    let [mail] = sent.as_slice() else { panic!("{sent:?}") };
    assert!(mail.to == to && mail.subject.starts_with("Approval needed: "), "{mail:?}");
    assert!(mail.text.ends_with(&format!("Open the approval: {link}")), "{mail:?}");
    assert_eq!((only(&stack, &endpoint).status, stack.sender.sent_requests().len()), (DeliveryStatus::Succeeded, 0));
}

#[test]
fn a_mail_that_is_rejected_is_sent_again_as_the_same_mail() {
    let (stack, endpoint, _) = opened(|stack| stack.email(&["ada@example.org"], &["approval.opened"]));
    stack.mail.answer(400, "MessageRejected: Email address is not verified.");
    stack.mail.answer(429, "TooManyRequestsException");
    stack.deliver();
    let failed = only(&stack, &endpoint);
    assert_eq!((failed.status, failed.last_status_code), (DeliveryStatus::Failed, Some(400)));
    assert_eq!(failed.answer.as_deref(), Some("MessageRejected: Email address is not verified."));
    stack.deliver_all();
    let sent = stack.mail.sent();
    assert!(sent.len() == 3 && sent.iter().all(|mail| *mail == sent[0]));
    assert_eq!((only(&stack, &endpoint).status, only(&stack, &endpoint).attempts), (DeliveryStatus::Succeeded, 3));
}
