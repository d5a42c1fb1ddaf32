//! The cost of keeping outputs long enough: nothing for a run that ends within a day.

use domain::ports::{Clock, Flows, Outputs, Runs};
use domain::run::RunStatus;
use engine::{Engine, Invocation, Launch, Outcome};
use serde_json::{Value, json};
use testkit::build::{Maker, actor, at, chain, spec, task};
use testkit::{Faults, ManualClock, RecordedExecutions, ScriptedEffects, SeededEntropy};

use crate::block_on;
use crate::opened::{Opened, open};
use crate::wire::Cost;

const DAY: u64 = 24 * 3600;

/// Returns a spec with `a`, a wait, and `b`.
fn waiting(seconds: u64) -> Value {
    spec(&[task("a", json!({})), json!({"id": "rest", "type": "wait", "seconds": seconds}), task("b", json!({}))], "a>rest rest>b")
}

/// Drives a run of two segments to its end, `seconds` after its beginning. Returns the run and the writes of each segment.
async fn driven(store: &Opened, spec: Value, seconds: u64) -> (domain::run::Run, Vec<Vec<Cost>>) {
    let (maker, clock) = (Maker::new(1), ManualClock::at(at(0)));
    let (flow, version) = maker.flow(maker.org(), "flow", spec, at(0));
    store.runs.table.create_flow(&flow, &version).await.unwrap();
    let executions = RecordedExecutions::new(Faults::none());
    let engine = Engine::new(store.runs.clone(), store.runs.table.clone(), executions, clock.clone());
    let (effects, entropy) = (ScriptedEffects::new(clock.clone(), Faults::none()), SeededEntropy::new(1));
    let launch =
        Launch { flow: &flow, trigger: domain::run::Trigger::Manual, actor: &actor("usr_ada"), input: json!({}), idempotency_key: None };
    let run = engine.start(&entropy, launch).await.unwrap().run;
    let mut writes = Vec::new();
    for segment in 1.. {
        store.metered.take();
        let invocation = Invocation { run: run.id, segment, owner: format!("inv-{segment}"), deadline: clock.now().plus_seconds(900) };
        let outcome = engine.advance(&effects, &entropy, &invocation).await.unwrap();
        writes.push(store.metered.take());
        if outcome == Outcome::Ended {
            break;
        }
        clock.set(at(seconds));
    }
    let run = store.runs.load(&run.id).await.unwrap().unwrap();
    assert_eq!(run.status, RunStatus::Succeeded);
    (run, writes)
}

async fn item(store: &Opened, run: &domain::run::Run) -> std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue> {
    use aws_sdk_dynamodb::types::AttributeValue::S;
    let request = store.client.get_item().table_name("runs").key("pk", S(format!("RUN#{}", run.id))).key("sk", S("RUN".to_owned()));
    request.send().await.unwrap().item.unwrap()
}

#[test]
fn a_run_that_ends_within_a_day_needs_no_write_to_keep_its_outputs() {
    block_on(async {
        let store = open().await;
        let (run, writes) = driven(&store, waiting(DAY - 60), DAY - 60).await;
        let updates: Vec<&Cost> = writes.iter().flatten().filter(|cost| cost.operation != "PutItem").collect();
        println!("a run of a day: {:?} writes in its segments, {} others", writes.iter().map(Vec::len).collect::<Vec<_>>(), updates.len());
        assert!(updates.is_empty(), "{updates:?}");
        assert!(!item(&store, &run).await.contains_key("lastedDays"), "and purge-outputs does not hear of it");
        assert!(store.runs.step(&run, &"a".parse().unwrap(), at(DAY - 60 + 180 * DAY)).await.unwrap().unwrap().purged.is_none());
    });
}

#[test]
fn a_run_of_months_needs_one_write_for_each_record_and_says_so_at_its_end() {
    block_on(async {
        let store = open().await;
        let (run, writes) = driven(&store, waiting(300 * DAY), 300 * DAY).await;
        let updates = |segment: usize| writes[segment].iter().filter(|cost| cost.operation == "UpdateItem").count();
        println!("a run of 300 days: {} and {} records kept longer in its segments", updates(0), updates(1));
        assert_eq!((updates(0), updates(1)), (1, 0), "`a` was there, before the wait");
        assert_eq!(item(&store, &run).await["lastedDays"].as_n().unwrap(), "300");
        store.runs.reschedule(&run.id, Some(at(480 * DAY)), at(300 * DAY)).await.unwrap();
        let there = async |now| store.runs.steps(&run, now).await.unwrap().iter().filter(|record| record.purged.is_none()).count();
        assert_eq!((there(at(480 * DAY - 1)).await, there(at(480 * DAY)).await), (3, 0));
    });
}

#[test]
fn the_setting_of_the_organisation_is_read_once_for_a_chain() {
    block_on(async {
        let store = open().await;
        store.metered.take_gets();
        driven(&store, chain(20), 0).await;
        let reads = store.metered.take_gets();
        let of_settings = reads.iter().filter(|read| read.contains("longRetention")).count();
        println!("a chain of 20 reads its organisation's setting {of_settings} times");
        assert_eq!(of_settings, 1);
    });
}
