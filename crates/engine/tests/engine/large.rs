//! Outputs and actions that are offloaded.

use domain::gate::{DecisionTarget, Part};
use domain::id::RunId;
use domain::json::sha256_hex;
use domain::run::RunStatus;
use domain::step::{MAX_OUTPUT_BYTES, Payload};
use serde_json::{Value, json};
use testkit::build::{actor, approve, approve_as, canonical, gate, service, spec, task, with};
use testkit::{Deployment, Fate, Reply};

fn large(fill: &str) -> Value {
    json!({"text": fill.repeat(300_000), "n": 1})
}

/// Waits for its reviewer, with a drafted action of 300 KB.
fn drafted() -> (Deployment, RunId) {
    let world = Deployment::of(&canonical());
    world.effects.answer("draft", Reply::parsed(&large("a")));
    let run = world.start(json!({"ticket": "T-1"}));
    world.play();
    assert_eq!(world.run(run).status, RunStatus::AwaitingApproval);
    (world, run)
}

#[test]
fn what_several_nodes_read_is_fetched_once_in_an_invocation() {
    let reads = json!({"body": {"a": "${step.big.output.text}", "i": "${trigger.text}"}});
    let nodes = [
        service("big", json!({})),
        gate("review", json!({})),
        service("r1", reads.clone()),
        service("r2", reads.clone()),
        service("r3", reads),
    ];
    let world = Deployment::of(&spec(&nodes, "big>review review>r1 review>r2 r2>r3"));
    world.effects.answer("big", Reply::output(large("b")));
    let run = world.start(large("i"));
    world.play();
    assert_eq!(world.faults.count("fetch"), 0, "it has not been read yet");
    world.decide(run, "", &actor("usr_ada"), approve()).unwrap();
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    assert_eq!(world.faults.count("fetch"), 2, "the output once, and the input once");
    for name in ["r1", "r2", "r3"] {
        assert_eq!(world.effects.sent_to(name)[0].body(), Some(&json!({"a": large("b")["text"], "i": large("i")["text"]})));
    }
}

#[test]
fn a_large_override_is_executed_byte_for_byte() {
    let (world, run) = drafted();
    let edited = json!({"text": "ü\n\"".repeat(90_000), "n": 2.50, "z": {"b": null, "a": [1, {}]}});
    let decided = world.decide(run, "", &actor("usr_ada"), approve_as(edited.clone())).unwrap();
    assert_eq!(decided.gate, world.gate(run, "review").unwrap(), "the caller gets what is on record");
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    let paid = world.effects.sent_to("pay");
    assert_eq!((paid.len(), paid[0].body()), (1, Some(&edited)));
    let outcome = world.gate(run, "review").unwrap().outcome.unwrap();
    assert_eq!((&outcome.decided_sha256, &outcome.proposed_sha256), (&sha256_hex(&edited), &sha256_hex(&large("a"))));
    let Payload::Stored(object) = outcome.decided_action else { panic!("it is too large for the record") };
    assert_eq!(object.sha256, outcome.decided_sha256);
    assert!(object.key.starts_with("gates/"), "{}", object.key);
}

#[test]
fn a_large_action_is_approved_as_proposed_without_being_read() {
    let (world, run) = drafted();
    let before = world.faults.count("fetch");
    world.decide(run, "", &actor("usr_ada"), approve()).unwrap();
    assert_eq!(world.faults.count("fetch"), before);
    world.play_to_end(run);
    assert_eq!(world.effects.sent_to("pay")[0].body(), Some(&large("a")));
    let outcome = world.gate(run, "review").unwrap().outcome.unwrap();
    assert!(outcome.is_as_proposed());
}

#[test]
fn the_same_large_override_again_is_the_same_decision_and_another_one_is_too_late() {
    let (world, run) = drafted();
    let ada = actor("usr_ada");
    let first = world.decide(run, "", &ada, approve_as(large("b"))).unwrap();
    assert_eq!(world.decide(run, "review", &ada, approve_as(large("b"))).unwrap().gate, first.gate);
    assert!(world.decide(run, "review", &ada, approve_as(large("c"))).is_err());
    assert!(world.decide(run, "review", &ada, approve()).is_err());
    assert_eq!(world.gate(run, "review"), Some(first.gate));
}

#[test]
fn the_rules_of_an_override_hold_for_large_actions_too() {
    let mut flow = canonical();
    flow["nodes"][0] = with(flow["nodes"][0].clone(), json!({"outputSchema": {"type": "object"}}));
    flow["nodes"][1] = with(flow["nodes"][1].clone(), json!({"allowedEdits": ["/n"]}));
    let world = Deployment::of(&flow);
    world.effects.answer("draft", Reply::parsed(&large("a")));
    let run = world.start(json!({"ticket": "T-1"}));
    world.play();
    assert!(world.decide(run, "", &actor("usr_ada"), approve_as(large("b"))).is_err());
    let edited = with(large("a"), json!({"n": 2}));
    let decided = world.decide(run, "", &actor("usr_ada"), approve_as(edited)).unwrap();
    assert_eq!(decided.gate.patch(), Some(json!([{"op": "replace", "path": "/n", "value": 2}])));
}

#[test]
fn a_crash_at_any_call_around_a_large_override_leaves_one_decision_and_its_bytes() {
    for crash_at in 1.. {
        let (world, run) = drafted();
        let edited = large("e");
        world.faults.strike(crash_at, Fate::CrashAfter);
        let before = world.faults.calls().len();
        let decide =
            || world.call(world.engine.decide(&world.org, &run, &DecisionTarget::default(), &actor("usr_ada"), approve_as(edited.clone())));
        while !matches!(decide(), Some(Ok(_))) {}
        assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded, "crash at call {crash_at}");
        for sent in world.effects.sent_to("pay") {
            assert_eq!(sent.body(), Some(&edited));
        }
        if world.faults.calls().len() - before < crash_at {
            break;
        }
    }
}

#[test]
fn after_a_crash_between_upload_and_record_the_step_is_done_again_and_its_record_is_right() {
    for (call, fate) in [("upload", Fate::CrashAfter), ("record", Fate::CrashBefore), ("upload", Fate::LoseAnswer)] {
        let world = Deployment::of(&spec(&[task("a", json!({})), service("b", json!({"body": "${step.a.output}"}))], "a>b"));
        world.effects.answer("a", Reply::output(large("1"))).answer("a", Reply::output(large("2")));
        let run = world.start(json!({}));
        world.faults.strike_call(call, 1, fate);
        assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
        let keys: Vec<_> = world.effects.sent_to("a").into_iter().map(|sent| sent.context.idempotency_key).collect();
        assert_eq!((keys.len(), &keys[0]), (2, &keys[1]), "{call} {fate:?}");
        let Some(Payload::Stored(object)) = world.record(run, "a").unwrap().output else { panic!("{call} {fate:?}") };
        assert_eq!(object.sha256, sha256_hex(&large("2")));
        assert_eq!(world.store.object(&object.key).map(|text| text.len() as u64), Some(object.bytes));
        assert_eq!(world.effects.sent_to("b")[0].body(), Some(&large("2")));
    }
}

#[test]
fn a_record_whose_answer_was_lost_keeps_its_object() {
    let world = Deployment::of(&spec(&[task("a", json!({})), service("b", json!({"body": "${step.a.output}"}))], "a>b"));
    world.effects.answer("a", Reply::output(large("1")));
    let run = world.start(json!({}));
    world.faults.strike_call("record", 1, Fate::Twice);
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    let Some(Payload::Stored(object)) = world.record(run, "a").unwrap().output else { panic!("it is large") };
    assert!(world.store.object(&object.key).is_some());
}

#[test]
fn a_retry_takes_over_a_large_decision_with_its_bytes() {
    let (world, before) = drafted();
    world.decide(before, "", &actor("usr_ada"), approve_as(large("d"))).unwrap();
    world.effects.answer("pay", Reply::refused());
    assert_eq!(world.play_to_end(before).status, RunStatus::Failed);
    let operator = actor("usr_operator");
    let again = world.engine.retry(&world.entropy, &world.org, &before, &operator, engine::RetryOptions::default());
    let run = world.call(again).unwrap().unwrap().run.id;
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    let paid = world.effects.sent_to("pay");
    assert_eq!((paid.len(), paid[1].body()), (2, Some(&large("d"))));
    assert_eq!(paid[0].context.idempotency_key, paid[1].context.idempotency_key);
    for (part, payload) in world.gate(run, "review").unwrap().offloaded() {
        let Payload::Stored(object) = payload else { panic!("{part:?} is too large for the record") };
        assert!(object.key.contains(&run.to_string()) && part != Part::Data, "{}", object.key);
    }
}

#[test]
fn an_output_of_exactly_25_mb_is_kept() {
    let world = Deployment::of(&spec(&[task("a", json!({}))], ""));
    world.effects.answer("a", Reply::output(json!("x".repeat(MAX_OUTPUT_BYTES - 2))));
    let run = world.start(json!({}));
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    assert_eq!(world.record(run, "a").unwrap().output.map(|output| output.bytes()), Some(MAX_OUTPUT_BYTES));
}

#[test]
fn a_message_that_quotes_a_large_value_is_cut() {
    let world = Deployment::of(&spec(&[testkit::build::decision("choose", &[("x", "a")]), task("a", json!({}))], "choose>a:x"));
    let run = world.start(json!({"choice": "ü".repeat(500_000)}));
    let ended = world.play_to_end(run);
    assert_eq!(ended.status, RunStatus::Failed);
    let message = world.record(run, "choose").unwrap().error.unwrap();
    assert!(message.len() < 4_100 && message.ends_with('…'), "{}", message.len());
}
