//! The order of the steps of a run.

use domain::flow::Spec;
use domain::ports::Runs;
use domain::step::StepRecord;
use serde_json::{Value, json};
use testkit::build::{at, spec, step, transform};
use testkit::{Deployment, block_on};

#[test]
fn a_step_is_shown_after_those_that_led_to_it_whatever_the_clocks_say() {
    let nodes = ["first", "second", "third", "beside"].map(|id| transform(id, &json!(id)));
    let deployment = Deployment::of(&spec(&nodes, "first>second second>third first>beside"));
    let run = deployment.run(deployment.start(json!({})));
    // The clock of the machine that executed `second` was behind.
    for (node, began) in [("first", 50), ("second", 10), ("third", 60), ("beside", 55)] {
        let record = StepRecord { started_at: at(began), completed_at: at(began), ..step(&run, node, json!(node)) };
        block_on(&deployment.clock, deployment.store.record(&run, record)).unwrap();
    }

    let version = deployment.store.stored_version(&run);
    let parsed = Spec::parse(&version.spec).unwrap();
    let view = block_on(&deployment.clock, api::view::run_with_steps(&deployment.store, at(99), &run, &version, &parsed)).unwrap();

    let steps = view.pointer("/run/steps").and_then(Value::as_array).unwrap();
    let order: Vec<_> = steps.iter().filter_map(|step| step.get("nodeId")?.as_str()).collect();
    assert_eq!(order, ["first", "second", "beside", "third"]);
}
