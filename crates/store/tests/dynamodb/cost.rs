//! The cost of a run in write units, with the real engine on the real store.

use domain::flow::Spec;
use domain::ports::{Flows, Runs};
use domain::run::RunStatus;
use engine::{Engine, Invocation, Launch, Outcome};
use serde_json::json;
use testkit::build::{Maker, actor, at, chain};
use testkit::{Faults, ManualClock, RecordedExecutions, ScriptedEffects, SeededEntropy};

use crate::block_on;
use crate::opened::open;
use crate::wire::Cost;

/// Returns the writes of a run that executes a chain of `length` nodes: those that start it, and those that drive it.
async fn writes_of_a_chain(length: usize) -> (Vec<Cost>, Vec<Cost>) {
    let store = open().await;
    let (maker, clock) = (Maker::new(1), ManualClock::at(at(0)));
    let (flow, version) = maker.flow(maker.org(), "chain", chain(length), at(0));
    assert_eq!(Spec::parse(&version.spec).unwrap().len(), length);
    store.runs.table.create_flow(&flow, &version).await.unwrap();
    let engine = Engine::new(store.runs.clone(), store.runs.table.clone(), RecordedExecutions::new(Faults::none()), clock.clone());
    let (effects, entropy) = (ScriptedEffects::new(clock, Faults::none()), SeededEntropy::new(1));
    store.metered.take();
    let launch =
        Launch { flow: &flow, trigger: domain::run::Trigger::Manual, actor: &actor("usr_ada"), input: json!({}), idempotency_key: None };
    let run = engine.start(&entropy, launch).await.unwrap().run;
    let starting = store.metered.take();
    let invocation = Invocation { run: run.id, segment: 1, owner: "inv-1".to_owned(), deadline: at(900) };
    assert_eq!(engine.advance(&effects, &entropy, &invocation).await.unwrap(), Outcome::Ended);
    let driving = store.metered.take();
    assert_eq!(store.runs.load(&run.id).await.unwrap().unwrap().status, RunStatus::Succeeded);
    assert_eq!(effects.sent().len(), length);
    (starting, driving)
}

fn units(costs: &[Cost]) -> f64 {
    costs.iter().map(|cost| cost.units).sum()
}

#[expect(clippy::cast_precision_loss, reason = "lengths of a few nodes")]
fn per_node(costs: &[Cost], length: usize) -> f64 {
    units(costs) / length as f64
}

/// The budget: at most 3 units for a node, and at 100 nodes at most 1.5 times what a node costs at 10.
#[test]
fn a_node_with_a_small_output_costs_at_most_three_write_units() {
    block_on(async {
        let (starting, ten) = writes_of_a_chain(10).await;
        let (_, hundred) = writes_of_a_chain(100).await;
        let (at_ten, at_hundred) = (per_node(&ten, 10), per_node(&hundred, 100));
        println!("start: {} units in {} writes", units(&starting), starting.len());
        println!("chain of 10: {at_ten} units a node in {} writes", ten.len());
        println!("chain of 100: {at_hundred} units a node in {} writes", hundred.len());
        assert!(!ten.is_empty(), "the engine under the store reports no capacity");
        assert!((units(&starting) + units(&ten)) / 10.0 <= 3.0, "with the start of the run: {starting:?} {ten:?}");
        assert!(at_ten <= 3.0, "{at_ten} units a node: {ten:?}");
        assert!(at_hundred <= 1.5 * at_ten, "{at_hundred} units a node at 100 nodes, {at_ten} at 10");
    });
}
