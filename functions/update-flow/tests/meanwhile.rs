//! A change that meets somebody else's: the handler on the store in memory.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up should stop at once")]

use api::KeyAdmission;
use domain::access::Limits;
use domain::flow::{CronTrigger, Flow, FlowTrigger};
use domain::json::sha256_hex_of;
use domain::ports::{ApiKeys, CronFlows, FlowName, Flows, WebhookTriggers};
use engine::{FlowEditor, WebhookTriggerSecrets};
use serde_json::{Value, json};
use testkit::build::{actor, at, chain};
use testkit::{Deployment, Fate, MemoryVault, block_on};
use update_flow::{ENDPOINT, handle};

/// A world whose flow is due in a minute, and Ada, who may change it.
fn world() -> (Deployment, String) {
    let mut world = Deployment::of(&chain(1));
    let cron = CronTrigger {
        expression: "* * * * *".to_owned(),
        timezone: "UTC".to_owned(),
        enabled: true,
        next_run_at: Some(at(60)),
        last_run_at: None,
    };
    let flow = Flow { trigger: FlowTrigger::Cron(cron), ..world.flow.clone() };
    let secret = format!("qe_sk_sandbox_{}", "a".repeat(32));
    let key = testkit::build::Maker::new(5).key(world.org, actor("usr_ada"), &["flows:write"]);
    block_on(&world.clock, async {
        world.store.update_flow(&world.flow, &flow, None).await.unwrap();
        world.store.create_key(&key, &sha256_hex_of(secret.as_bytes())).await.unwrap();
    });
    world.flow = flow;
    (world, secret)
}

fn patch(world: &Deployment, secret: &str, changes: &Value) -> (u16, Value) {
    let mut event: Value = serde_json::from_str(include_str!("../../../events/update-flow/pause.json")).unwrap();
    let authorization = format!("Bearer {secret}");
    event["headers"] = json!({"Authorization": authorization});
    event["multiValueHeaders"] = json!({"Authorization": [authorization]});
    event["pathParameters"] = json!({"id": world.flow.id});
    event["body"] = json!(changes.to_string());
    let request = lambda_http::request::from_str(&event.to_string()).unwrap();
    let secrets = WebhookTriggerSecrets { triggers: world.store.clone(), vault: MemoryVault, clock: world.clock.clone() };
    let editor = FlowEditor { flows: world.store.clone(), secrets };
    let handler = |call| handle(&editor, &world.entropy, call);
    let admission = KeyAdmission::new(ENDPOINT, world.store.clone(), world.clock.clone(), Limits { reads: 100, writes: 100 });
    let answer = block_on(&world.clock, admission.respond(&handler, request));
    (answer.status, answer.body)
}

fn stored(world: &Deployment) -> Flow {
    block_on(&world.clock, world.store.flow(&world.org, &FlowName::Id(world.flow.id))).unwrap().unwrap()
}

#[test]
fn the_clock_starts_the_flow_just_then_and_both_are_kept() {
    let (world, secret) = world();
    world.clock.set(at(61));
    let ticking = world.clone();
    world.faults.just_before("update_flow", 1, move || {
        assert_eq!(block_on(&ticking.clock, ticking.scheduler.tick(&ticking.entropy, at(100))).unwrap().created, 1);
    });
    let (status, body) = patch(&world, &secret, &json!({"name": "Renamed"}));
    assert_eq!(status, 200, "{body}");
    let flow = stored(&world);
    let cron = flow.trigger.cron().unwrap();
    assert_eq!((flow.name.as_str(), cron.last_run_at, cron.next_run_at), ("Renamed", Some(at(60)), Some(at(120))));
    assert_eq!(body["data"]["flow"]["lastCronRunAt"], json!(at(60)));
}

#[test]
fn somebody_else_changes_the_flow_just_then_and_is_not_overwritten() {
    let (world, secret) = world();
    let (editor, before) = (world.clone(), world.flow.clone());
    world.faults.just_before("update_flow", 1, move || {
        let after = Flow { name: "Theirs".to_owned(), updated_at: at(1), ..before.clone() };
        block_on(&editor.clock, editor.store.update_flow(&before, &after, None)).unwrap();
    });
    let (status, body) = patch(&world, &secret, &json!({"name": "Ours"}));
    assert_eq!((status, stored(&world).name.as_str()), (409, "Theirs"), "{body}");
}

#[test]
fn a_webhook_works_whatever_becomes_of_the_answer_to_its_write_and_goes_with_its_secret() {
    let (world, secret) = world();
    // The answer to the first write is lost, and the second one is refused.
    world.faults.strike_call("update_flow", 1, Fate::Twice);
    let (status, body) = patch(&world, &secret, &json!({"triggerType": "webhook"}));
    world.faults.clear();
    assert_eq!(status, 200, "{body}");
    let token = body["data"]["flow"]["webhookToken"].as_str().unwrap().parse().unwrap();
    assert_eq!(stored(&world).trigger.webhook_token(), Some(&token));
    assert!(body["data"]["flow"]["webhookSecret"].as_str().unwrap().starts_with("whsec_"));
    assert!(block_on(&world.clock, world.store.webhook(&token)).unwrap().is_some());
    let (_, again) = patch(&world, &secret, &json!({"triggerType": "webhook", "name": "Hooked"}));
    assert_eq!(again["data"]["flow"].get("webhookSecret"), None, "it is told when it is made");

    let (status, _) = patch(&world, &secret, &json!({"triggerType": "api"}));
    assert_eq!(status, 200);
    let (status, body) = patch(&world, &secret, &json!({"triggerType": "webhook"}));
    assert_eq!(status, 200);
    let token = body["data"]["flow"]["webhookToken"].as_str().unwrap().parse().unwrap();
    assert!(body["data"]["flow"]["webhookSecret"].as_str().unwrap().starts_with("whsec_"));
    assert!(block_on(&world.clock, world.store.webhook(&token)).unwrap().is_some());
    patch(&world, &secret, &json!({"triggerType": "api"}));
    assert!(block_on(&world.clock, world.store.webhook(&token)).unwrap().is_none());
    assert!(block_on(&world.clock, world.store.due_flows(at(9_999), 5)).unwrap().is_empty());
}
