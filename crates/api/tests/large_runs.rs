//! A run of any size is shown in at most 5 MB, and every part that is left out can be fetched.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up should stop at once")]

use api::view::{MAX_BYTES, ShownApproval, Viewer, approvals, part_of_step, run_with_steps};
use domain::flow::{NodeId, Spec};
use domain::json::{canonical, sha256_hex_of};
use domain::ports::{Runs, latest_version};
use domain::run::Run;
use domain::step::{Payload, ResponseHead, StepRecord};
use serde_json::{Value, json};
use testkit::build::{Maker, actor, at, spec, step, task, transform};
use testkit::{Deployment, block_on};

fn record(deployment: &Deployment, run: &Run, node: &NodeId, input: Value, output: Value) {
    let head = ResponseHead { status: 200, headers: json!({"x-long": "h".repeat(1_000)}) };
    let record = StepRecord { input: Some(Payload::of(input)), answer: Some(head), ..step(run, node.as_str(), output) };
    block_on(&deployment.clock, deployment.store.record(run, record)).unwrap();
}

fn shown(deployment: &Deployment, run: &Run) -> Value {
    let version = deployment.store.stored_version(run);
    let spec = Spec::parse(&version.spec).unwrap();
    block_on(&deployment.clock, run_with_steps(&deployment.store, at(99), run, &version, &spec)).unwrap()
}

fn part(deployment: &Deployment, run: &Run, node: &str, part: &str) -> Option<Value> {
    let spec = Spec::parse(&deployment.store.stored_version(run).spec).unwrap();
    let ix = spec.position(&node.parse().unwrap()).unwrap();
    block_on(&deployment.clock, part_of_step(&deployment.store, at(99), run, &spec, ix, None, part)).unwrap()
}

/// The largest possible run: 200 nodes with 90 KB of input and 90 KB of output each, an input of 5 MB and a spec of 900 KB.
#[test]
fn a_run_of_200_large_steps_is_shown_in_5_mb_and_every_reference_is_right() {
    let nodes: Vec<Value> = (0..200).map(|at| task(&format!("n{at}"), json!({"headers": {"x-note": "s".repeat(4_400)}}))).collect();
    let edges: Vec<String> = (1..200).map(|at| format!("n0>n{at}")).collect();
    let deployment = Deployment::of(&spec(&nodes, &edges.join(" ")));
    let run = deployment.run(deployment.start(json!({"text": "i".repeat(5_000_000)})));
    for ix in 0..200 {
        // Quotation marks are longer in JSON, and longer still on the way through Lambda.
        let text = |fill: &str| json!(fill.repeat(90_000 / canonical(&json!(fill)).len()));
        record(&deployment, &run, &format!("n{ix}").parse().unwrap(), text("sent \"in\" "), json!({"n": ix, "text": text("put \"öut\" ")}));
    }
    let view = shown(&deployment, &run);
    let text = json!({"data": view}).to_string();
    println!("{} bytes, {} for Lambda", text.len(), Value::from(text.as_str()).to_string().len());
    assert!(text.len() <= MAX_BYTES);
    assert!(Value::from(text).to_string().len() <= 6 * 1024 * 1024);
    assert!(view["run"]["inputRef"]["url"].is_string());

    let steps = view["run"]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 200);
    let mut references = 0;
    for step in steps {
        let node = step["nodeId"].as_str().unwrap();
        for name in ["input", "output"] {
            let reference = &step[format!("{name}Ref")];
            assert_ne!(step.get(name).is_some(), reference.is_object(), "{node} has its {name} in one way");
            if reference.is_object() {
                references += 1;
                let query = if name == "output" { "" } else { "?of=input" };
                assert_eq!(reference["url"], format!("/api/runs/{}/steps/{node}/output{query}", run.id));
                let fetched = canonical(&part(&deployment, &run, node, name).unwrap()[name]);
                assert_eq!((&reference["bytes"], &reference["sha256"]), (&json!(fetched.len()), &json!(sha256_hex_of(fetched.as_bytes()))));
            }
        }
    }
    assert!((300..400).contains(&references), "{references}: no more than necessary");
}

#[test]
fn a_part_of_a_step_is_returned_on_its_own_or_as_a_reference() {
    let deployment =
        Deployment::of(&spec(&[task("small", json!({})), task("large", json!({})), task("waits", json!({}))], "small>large large>waits"));
    let run = deployment.run(deployment.start(json!({})));
    record(&deployment, &run, &"small".parse().unwrap(), json!(1), json!({"a": 1}));
    record(&deployment, &run, &"large".parse().unwrap(), json!(1), json!("x".repeat(200_000)));
    assert_eq!(part(&deployment, &run, "small", "output"), Some(json!({"output": {"a": 1}})));
    assert_eq!(part(&deployment, &run, "small", "response").unwrap()["response"]["status"], 200);
    let reference = part(&deployment, &run, "large", "output").unwrap();
    assert_eq!((&reference["outputRef"]["bytes"], reference["outputRef"]["expiresAt"].is_string()), (&json!(200_002), true));
    assert_eq!(part(&deployment, &run, "waits", "output"), None);
    assert_eq!(part(&deployment, &run, "small", "decision"), None);
}

#[test]
fn a_page_of_the_inbox_is_bounded_and_the_parts_that_it_leaves_out_can_be_fetched() {
    let deployment = Deployment::of(&spec(&[testkit::build::gate("review", json!({})), transform("end", &json!(1))], "review>end"));
    let maker = Maker::new(7);
    let mut gates = Vec::new();
    for n in 0..100 {
        let run = deployment.run(deployment.start(json!({})));
        let action = json!({"n": n, "text": "a".repeat(60_000)});
        let gate = domain::gate::Gate {
            proposed_action: Payload::of(action),
            data: Some(Payload::of(json!("d".repeat(if n == 0 { 300_000 } else { 30_000 })))),
            ..maker.gate(&run, "review", at(1))
        };
        let gate = block_on(&deployment.clock, deployment.store.offload(&run, gate)).unwrap();
        block_on(&deployment.clock, deployment.store.commit(run, std::slice::from_ref(&gate))).unwrap();
        gates.push(gate);
    }
    let ada = actor("usr_ada");
    let viewer = Viewer { actor: &ada, missing_scope: None };
    let version = block_on(&deployment.clock, latest_version(&deployment.store, &deployment.flow)).unwrap();
    let (spec, barred) = (version.parsed_spec().unwrap(), std::collections::BTreeSet::new());
    let shown: Vec<_> = gates.iter().map(|gate| ShownApproval { gate, version: &version, spec: &spec, barred: &barred }).collect();
    let rows = block_on(&deployment.clock, approvals(&deployment.store, at(9), viewer, &shown)).unwrap();
    assert!(json!({"data": rows}).to_string().len() <= MAX_BYTES);
    assert!(rows[0]["dataRef"]["expiresAt"].is_string(), "it is in object storage: {}", rows[0]["dataRef"]);
    for (row, gate) in rows.iter().zip(&gates) {
        assert_ne!(row.get("proposedAction").is_some(), row.get("proposedActionRef").is_some());
        for name in ["proposedAction", "data"] {
            let reference = &row[format!("{name}Ref")];
            if reference.is_object() && reference.get("expiresAt").is_none() {
                let run = deployment.run(gate.run);
                let fetched = canonical(&part(&deployment, &run, "review", name).unwrap()[name]);
                assert_eq!(reference["sha256"], sha256_hex_of(fetched.as_bytes()));
                assert_eq!(reference["url"], format!("/api/runs/{}/steps/review/output?of={name}", run.id));
            }
        }
    }
}
