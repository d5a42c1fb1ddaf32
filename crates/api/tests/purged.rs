//! What GET shows of a run whose outputs are gone.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up should stop at once")]

use std::future::Future;

use api::view;
use domain::flow::Spec;
use domain::ports::{Clock, Outputs, Runs};
use domain::retention::{Purge, PurgeReason};
use domain::run::RunStatus;
use serde_json::{Value, json};
use testkit::build::{chain, transform, with};
use testkit::{Deployment, Reply, block_on};

fn ended(spec: &Value) -> (Deployment, domain::id::RunId) {
    let world = Deployment::of(spec);
    world.effects.answer("n1", Reply::output(json!({"text": "x".repeat(200_000)})).after(1_500));
    let run = world.start(json!({"n": 1}));
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    (world, run)
}

fn shown(world: &Deployment, run: domain::id::RunId) -> Value {
    let run = world.run(run);
    let version = world.store.stored_version(&run);
    let spec = Spec::parse(&version.spec).unwrap();
    done(world, view::run_with_steps(&world.store, world.clock.now(), &run, &version, &spec))["run"].clone()
}

fn done<T, E: std::fmt::Debug>(world: &Deployment, future: impl Future<Output = Result<T, E>>) -> T {
    block_on(&world.clock, future).unwrap()
}

#[test]
fn an_expired_step_says_when_it_ran_and_when_its_output_went() {
    let (world, run) = ended(&chain(2));
    let before = shown(&world, run);
    let gone_at = world.store.expiry_of(&run, "n1").unwrap();
    world.clock.set(gone_at.plus_seconds(5));
    let after = shown(&world, run);
    let (was, is) = (&before["steps"][0], &after["steps"][0]);
    for field in ["id", "nodeId", "type", "status", "attempts", "startedAt", "completedAt", "durationMs", "idempotencyKey"] {
        assert_eq!(was[field], is[field], "{field}");
    }
    assert_eq!(was["outputRef"]["bytes"], is["purged"]["output"]["bytes"]);
    for field in ["input", "output", "outputRef", "response"] {
        assert!(is.get(field).is_none(), "{field}: {is}");
    }
    assert_eq!((is["outputPurgedAt"].as_str(), is["purged"]["reason"].as_str()), (Some(gone_at.to_string().as_str()), Some("expired")));
    assert_eq!((after["input"].clone(), after["status"].clone()), (json!({"n": 1}), json!("succeeded")));
    assert!(before["output"].is_object() && after.get("output").is_none(), "{after}");
    let last = world.store.expiry_of(&run, "n2").unwrap();
    assert_eq!(after["outputPurgedAt"], json!(last), "the run's output is its last step's");
}

#[test]
fn a_flow_that_says_its_output_says_when_that_went() {
    let flow = json!({"startNodeId": "a", "nodes": [transform("a", &json!(1))], "edges": [], "output": {"all": "${step.a.output}"}});
    let (world, run) = ended(&with(flow, json!({})));
    assert_eq!(shown(&world, run)["output"], json!({"all": 1}));
    let purge = done(&world, world.outputs.purge(&world.org, &run, "usr_ada"));
    let after = shown(&world, run);
    assert_eq!((after["outputPurgedAt"].clone(), after.get("output")), (json!(purge.at), None));
    assert_eq!(after["steps"][0]["purged"]["by"], "usr_ada");
}

#[test]
fn the_receipt_of_a_purge_counts_what_went() {
    let (world, run) = ended(&chain(2));
    let bytes = |record: &domain::step::StepRecord| {
        let purged = record.clone().without_payloads(world.clock.now(), PurgeReason::Expired).purged.unwrap();
        purged.payloads().map(|gone| gone.bytes).sum::<u64>()
    };
    let records = done(&world, world.store.steps(&world.run(run), world.clock.now()));
    let all: u64 = records.iter().map(bytes).sum();
    let purge: Purge = done(&world, world.outputs.purge(&world.org, &run, "usr_ada"));
    let view = view::purge(&purge);
    assert_eq!((&view["runId"], &view["objects"], &view["bytes"]), (&json!(run), &json!(1), &json!(all)));
    assert_eq!(view["steps"].as_array().unwrap().iter().map(|step| step["nodeId"].clone()).collect::<Vec<_>>(), ["n1", "n2"]);
    assert_eq!(done(&world, Outputs::purges_due(&world.store, world.clock.now())), []);
}
