//! A run whose outputs were purged, as GET shows it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up should stop at once")]

use std::future::Future;

use api::view;
use domain::flow::Spec;
use domain::ports::{Clock, Outputs, Runs};
use domain::retention::{Purge, PurgeReason};
use domain::run::RunStatus;
use serde_json::{Value, json};
use testkit::build::{actor, chain, transform, with};
use testkit::{Deployment, Reply, block_on};

fn ended(spec: &Value) -> (Deployment, domain::id::RunId) {
    let deployment = Deployment::of(spec);
    deployment.effects.answer("n1", Reply::output(json!({"text": "x".repeat(200_000)})).after(1_500));
    let run = deployment.start(json!({"n": 1}));
    assert_eq!(deployment.play_to_end(run).status, RunStatus::Succeeded);
    (deployment, run)
}

fn shown(deployment: &Deployment, run: domain::id::RunId) -> Value {
    let run = deployment.run(run);
    let version = deployment.store.stored_version(&run);
    let spec = Spec::parse(&version.spec).unwrap();
    done(deployment, view::run_with_steps(&deployment.store, deployment.clock.now(), &run, &version, &spec))["run"].clone()
}

fn done<T, E: std::fmt::Debug>(deployment: &Deployment, future: impl Future<Output = Result<T, E>>) -> T {
    block_on(&deployment.clock, future).unwrap()
}

#[test]
fn an_expired_step_shows_when_it_ran_and_when_its_output_was_purged() {
    let (deployment, run) = ended(&chain(2));
    let before = shown(&deployment, run);
    let gone_at = deployment.store.expiry_of(&run, "n1").unwrap();
    deployment.clock.set(gone_at.plus_seconds(5));
    let after = shown(&deployment, run);
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
    let last = deployment.store.expiry_of(&run, "n2").unwrap();
    assert_eq!(after["outputPurgedAt"], json!(last), "the run's output is its last step's");
}

#[test]
fn a_run_of_a_flow_with_an_output_shows_when_that_was_purged() {
    let flow = json!({"startNodeId": "a", "nodes": [transform("a", &json!(1))], "edges": [], "output": {"all": "${step.a.output}"}});
    let (deployment, run) = ended(&with(flow, json!({})));
    assert_eq!(shown(&deployment, run)["output"], json!({"all": 1}));
    let purge = done(&deployment, deployment.outputs.purge(&deployment.org, &run, &actor("usr_ada")));
    let after = shown(&deployment, run);
    assert_eq!((after["outputPurgedAt"].clone(), after.get("output")), (json!(purge.at), None));
    assert_eq!(after["steps"][0]["purged"]["by"], "usr_ada");
}

#[test]
fn the_receipt_of_a_purge_counts_the_purged_payloads() {
    let (deployment, run) = ended(&chain(2));
    let bytes = |record: &domain::step::StepRecord| {
        let purged = record.clone().without_payloads(deployment.clock.now(), PurgeReason::Expired).purged.unwrap();
        purged.payloads().map(|gone| gone.bytes).sum::<u64>()
    };
    let records = done(&deployment, deployment.store.steps(&deployment.run(run), deployment.clock.now()));
    let all: u64 = records.iter().map(bytes).sum();
    let purge: Purge = done(&deployment, deployment.outputs.purge(&deployment.org, &run, &actor("usr_ada")));
    let view = view::purge(&purge);
    assert_eq!((&view["runId"], &view["objects"], &view["bytes"]), (&json!(run), &json!(1), &json!(all)));
    assert_eq!(view["steps"].as_array().unwrap().iter().map(|step| step["nodeId"].clone()).collect::<Vec<_>>(), ["n1", "n2"]);
    assert_eq!(done(&deployment, Outputs::purges_due(&deployment.store, deployment.clock.now())), []);
}
