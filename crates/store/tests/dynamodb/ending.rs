//! A run ends whatever the size of its open gates is, on the real engine and the real store.

use domain::gate::DecisionTarget;
use domain::id::RunId;
use domain::ports::{Flows, RunLists, Runs, Window};
use domain::run::{Run, RunStatus, Trigger};
use engine::{Engine, Invocation, Launch, Outcome, Ports};
use serde_json::{Value, json};
use testkit::build::{Maker, actor, at, gate, reject, spec, transform};
use testkit::{Faults, ManualClock, RecordedExecutions, ScriptedEffects, SeededEntropy};

use crate::block_on;
use crate::opened::open;

/// The number of gates. With 95 KB each they are larger together than a transaction may be.
const GATES: usize = 45;

fn many_gates() -> Value {
    let gates = (0..GATES).map(|at| gate(&format!("g{at}"), json!({"proposedAction": "${trigger.text}"})));
    let nodes: Vec<Value> = std::iter::once(transform("start", &json!(1))).chain(gates).collect();
    let edges: Vec<String> = (0..GATES).map(|at| format!("start>g{at}")).collect();
    spec(&nodes, &edges.join(" "))
}

async fn advance(engine: &Engine<impl Ports>, clock: &ManualClock, run: RunId, segment: u32) -> Outcome {
    let (effects, entropy) = (ScriptedEffects::new(clock.clone(), Faults::none()), SeededEntropy::new(2));
    let invocation = Invocation { run, segment, owner: format!("inv-{segment}"), deadline: at(900) };
    engine.advance(&effects, &entropy, &invocation).await.unwrap()
}

#[test]
fn a_run_whose_open_gates_are_larger_than_a_transaction_ends_by_one_small_write() {
    block_on(async {
        let store = open().await;
        let (maker, clock) = (Maker::new(1), ManualClock::at(at(0)));
        let (flow, version) = maker.flow(maker.org(), "gates", many_gates(), at(0));
        store.runs.table.create_flow(&flow, &version).await.unwrap();
        let executions = RecordedExecutions::new(Faults::none());
        let engine = Engine::new(store.runs.clone(), store.runs.table.clone(), executions, clock.clone());
        let (entropy, ada) = (SeededEntropy::new(1), actor("usr_ada"));
        let window = Window { limit: 100, ..Window::default() };
        for reject_one in [true, false] {
            let input = json!({"text": "x".repeat(95 * 1024)});
            let launch = Launch { flow: &flow, trigger: Trigger::Manual, actor: &ada, input, idempotency_key: None };
            let run = engine.start(&entropy, launch).await.unwrap().run.id;
            assert_eq!(advance(&engine, &clock, run, 1).await, Outcome::HandedOn);
            let waiting: Run = store.runs.load(&run).await.unwrap().unwrap();
            assert_eq!(waiting.status, RunStatus::AwaitingApproval);
            assert_eq!(store.runs.table.open_gates(&flow.org, None, &|_| true, &window).await.unwrap().rows.len(), GATES);

            store.metered.take();
            if reject_one {
                engine.decide(&flow.org, &run, &DecisionTarget::at("g7".parse().unwrap()), &ada, reject("no")).await.unwrap();
            } else {
                engine.cancel(&flow.org, &run, &ada, None).await.unwrap();
            }
            let writes = store.metered.take();
            if !reject_one {
                assert!(writes[0].operation == "PutItem" && writes[0].units <= 8.0, "the write that ends the run is small: {writes:?}");
            }
            let gates = store.runs.gates(&waiting).await.unwrap();
            assert_eq!(gates.iter().filter(|gate| gate.is_open()).count(), 0, "all of them are stored as closed");
            let ended = store.runs.load(&run).await.unwrap().unwrap();
            assert!(ended.has_ended() && ended.execution.pending.is_none(), "{:?}", ended.status);
            assert_eq!(store.runs.table.open_gates(&flow.org, None, &|_| true, &window).await.unwrap().total, 0);
        }
    });
}
