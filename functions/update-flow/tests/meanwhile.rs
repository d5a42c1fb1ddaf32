//! A change at the same time as another one: the handler on the store in memory.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up should stop at once")]

use api::KeyAdmission;
use domain::access::Limits;
use domain::flow::{CronTrigger, Flow, FlowTrigger, KnownModels};
use domain::json::sha256_hex_of;
use domain::ports::{ApiKeys, CronFlows, FlowName, Flows, WebhookTriggers};
use engine::{FlowEditor, WebhookTriggerSecrets};
use serde_json::{Value, json};
use testkit::build::{actor, at, chain};
use testkit::{Deployment, Fate, MemoryVault, block_on};
use update_flow::{ENDPOINT, handle};

/// Returns a deployment whose flow is due in a minute, and the secret of a key that may change it.
fn deployment() -> (Deployment, String) {
    let mut deployment = Deployment::of(&chain(1));
    let cron = CronTrigger {
        expression: "* * * * *".to_owned(),
        timezone: "UTC".to_owned(),
        enabled: true,
        next_run_at: Some(at(60)),
        last_run_at: None,
    };
    let flow = Flow { trigger: FlowTrigger::Cron(cron), ..deployment.flow.clone() };
    let secret = format!("qe_sk_sandbox_{}", "a".repeat(32));
    let key = testkit::build::Maker::new(5).key(deployment.org, actor("usr_ada"), &["flows:write"]);
    block_on(&deployment.clock, async {
        deployment.store.update_flow(&deployment.flow, &flow, None).await.unwrap();
        deployment.store.create_key(&key, &sha256_hex_of(secret.as_bytes())).await.unwrap();
    });
    deployment.flow = flow;
    (deployment, secret)
}

fn patch(deployment: &Deployment, secret: &str, changes: &Value) -> (u16, Value) {
    let mut event: Value = serde_json::from_str(include_str!("../../../events/update-flow/pause.json")).unwrap();
    let authorization = format!("Bearer {secret}");
    event["headers"] = json!({"Authorization": authorization});
    event["multiValueHeaders"] = json!({"Authorization": [authorization]});
    event["pathParameters"] = json!({"id": deployment.flow.id});
    event["body"] = json!(changes.to_string());
    let request = lambda_http::request::from_str(&event.to_string()).unwrap();
    let secrets = WebhookTriggerSecrets { triggers: deployment.store.clone(), vault: MemoryVault, clock: deployment.clock.clone() };
    let editor = FlowEditor { flows: deployment.store.clone(), secrets };
    let models = KnownModels::default();
    let handler = |call| handle(&editor, &models, &deployment.entropy, call);
    let admission = KeyAdmission::new(ENDPOINT, deployment.store.clone(), deployment.clock.clone(), Limits { reads: 100, writes: 100 });
    let answer = block_on(&deployment.clock, admission.respond(&handler, request));
    (answer.status, answer.body)
}

fn stored(deployment: &Deployment) -> Flow {
    block_on(&deployment.clock, deployment.store.flow(&deployment.org, &FlowName::Id(deployment.flow.id))).unwrap().unwrap()
}

#[test]
fn a_change_and_a_start_by_the_schedule_are_both_stored() {
    let (deployment, secret) = deployment();
    deployment.clock.set(at(61));
    let ticking = deployment.clone();
    deployment.faults.just_before("update_flow", 1, move || {
        assert_eq!(block_on(&ticking.clock, ticking.scheduler.tick(&ticking.entropy, at(100))).unwrap().created, 1);
    });
    let (status, body) = patch(&deployment, &secret, &json!({"name": "Renamed"}));
    assert_eq!(status, 200, "{body}");
    let flow = stored(&deployment);
    let cron = flow.trigger.cron().unwrap();
    assert_eq!((flow.name.as_str(), cron.last_run_at, cron.next_run_at), ("Renamed", Some(at(60)), Some(at(120))));
    assert_eq!(body["data"]["flow"]["lastCronRunAt"], json!(at(60)));
}

#[test]
fn a_change_by_another_caller_is_not_overwritten() {
    let (deployment, secret) = deployment();
    let (editor, before) = (deployment.clone(), deployment.flow.clone());
    deployment.faults.just_before("update_flow", 1, move || {
        let after = Flow { name: "Theirs".to_owned(), updated_at: at(1), ..before.clone() };
        block_on(&editor.clock, editor.store.update_flow(&before, &after, None)).unwrap();
    });
    let (status, body) = patch(&deployment, &secret, &json!({"name": "Ours"}));
    assert_eq!((status, stored(&deployment).name.as_str()), (409, "Theirs"), "{body}");
}

#[test]
fn a_webhook_trigger_works_also_if_the_response_of_a_write_is_lost_and_is_deleted_with_its_secret() {
    let (deployment, secret) = deployment();
    // The answer to the first write is lost, and the second one is refused.
    deployment.faults.strike_call("update_flow", 1, Fate::Twice);
    let (status, body) = patch(&deployment, &secret, &json!({"triggerType": "webhook"}));
    deployment.faults.clear();
    assert_eq!(status, 200, "{body}");
    let token = body["data"]["flow"]["webhookToken"].as_str().unwrap().parse().unwrap();
    assert_eq!(stored(&deployment).trigger.webhook_token(), Some(&token));
    assert!(body["data"]["flow"]["webhookSecret"].as_str().unwrap().starts_with("whsec_"));
    assert!(block_on(&deployment.clock, deployment.store.webhook(&token)).unwrap().is_some());
    let (_, again) = patch(&deployment, &secret, &json!({"triggerType": "webhook", "name": "Hooked"}));
    assert_eq!(again["data"]["flow"].get("webhookSecret"), None, "it is shown when it is made");

    let (status, _) = patch(&deployment, &secret, &json!({"triggerType": "api"}));
    assert_eq!(status, 200);
    let (status, body) = patch(&deployment, &secret, &json!({"triggerType": "webhook"}));
    assert_eq!(status, 200);
    let token = body["data"]["flow"]["webhookToken"].as_str().unwrap().parse().unwrap();
    assert!(body["data"]["flow"]["webhookSecret"].as_str().unwrap().starts_with("whsec_"));
    assert!(block_on(&deployment.clock, deployment.store.webhook(&token)).unwrap().is_some());
    patch(&deployment, &secret, &json!({"triggerType": "api"}));
    assert!(block_on(&deployment.clock, deployment.store.webhook(&token)).unwrap().is_none());
    assert!(block_on(&deployment.clock, deployment.store.due_flows(at(9_999), 5)).unwrap().is_empty());
}
