//! The cost of a page of a list in read units, among 10,000 runs of one flow.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use domain::id::{FlowId, OrgId, RunId};
use domain::ports::{COUNT_CAP, Entropy, Organisations, Page, RunFilter, RunLists, RunSummary, Runs, Window};
use domain::run::{Run, RunError, RunStatus, Trigger};
use serde_json::json;
use store::Table;
use testkit::build::{Maker, at, chain};

use crate::block_on;
use crate::opened::{Opened, TABLE, open};

const RUNS: u64 = 10_000;
const LIMIT: usize = 50;
/// The budget of a page of 50 runs, in read units.
const BUDGET: f64 = 10.0;
/// The cost of counting a thousand rows, in read units.
const COUNT: f64 = 22.0;

/// Returns the status and the trigger of a run. One in 160 is of the rarest kind; most have succeeded after a call of `execute`.
fn kind(number: u64) -> (RunStatus, Trigger) {
    match number {
        _ if number % 160 == 7 => (RunStatus::Cancelled, Trigger::Cron),
        _ if number % 500 == 150 => (RunStatus::Running, Trigger::Manual),
        _ if number % 500 == 155 => (RunStatus::AwaitingApproval, Trigger::Manual),
        _ if number % 20 == 3 => (RunStatus::Failed, Trigger::Manual),
        _ if number % 10 == 1 => (RunStatus::Succeeded, Trigger::Webhook),
        _ => (RunStatus::Succeeded, Trigger::Manual),
    }
}

/// Writes runs as the store does, but many at once: those of a kind differ only in their ids from one that the store has written.
async fn filled(store: &Opened, org: OrgId, flow: FlowId) {
    let maker = Maker::new(2);
    let mut written: HashMap<(RunStatus, Trigger), HashMap<String, AttributeValue>> = HashMap::new();
    for (status, trigger) in (0..200).map(kind) {
        let Entry::Vacant(place) = written.entry((status, trigger)) else { continue };
        let message = "the service answered 503: it is being repaired".to_owned();
        let error = (status == RunStatus::Failed).then_some(RunError { node: Some("n1".to_owned()), message });
        // It belongs to another flow, so that this flow has only the runs that it should have.
        let run = maker.run(org, maker.flow_id(), &chain(1), at(0));
        let run = Run { status, trigger, error, finished_at: status.is_final().then(|| at(5)), ..run };
        store.runs.create(&run, &json!({}), None).await.unwrap();
        let mut item = store.raw_run(&run.id).await;
        let list = item["listPk"].as_s().unwrap().replace(&run.flow.to_string(), &flow.to_string());
        item.insert("listPk".to_owned(), AttributeValue::S(list));
        place.insert(item);
    }
    let copies: Vec<WriteRequest> = (0..RUNS)
        .map(|number| {
            let mut item = written[&kind(number)].clone();
            let id = RunId::new(at(60 * number), maker.entropy().random());
            item.insert("pk".to_owned(), AttributeValue::S(format!("RUN#{id}")));
            WriteRequest::builder().put_request(PutRequest::builder().set_item(Some(item)).build().unwrap()).build()
        })
        .collect();
    for chunk in copies.chunks(25) {
        store.client.batch_write_item().request_items(TABLE, chunk.to_vec()).send().await.unwrap();
    }
}

/// Returns a page, and the read units and queries that it cost.
async fn page(store: &Opened, table: &Table, flow: &FlowId, filter: &RunFilter, window: &Window) -> (Page<RunSummary>, f64, usize) {
    store.metered.take_reads();
    let page = table.runs_of(flow, filter, window).await.unwrap();
    let reads = store.metered.take_reads();
    assert!(!reads.is_empty(), "the engine under the store reports no capacity");
    (page, reads.iter().map(|cost| cost.units).sum(), reads.len())
}

/// Returns the cost of a walk: of its first page in a new process, its second and third, and its first page once more.
async fn walk(store: &Opened, flow: &FlowId, filter_name: &str, filter: &RunFilter) -> (String, [f64; 4]) {
    let table = store.another_process();
    let first = Window { limit: LIMIT, ..Window::default() };
    let mut window = first.clone();
    let mut costs = [0.0; 4];
    let mut line = Vec::new();
    for (number, cost) in costs.iter_mut().enumerate() {
        if number == 3 {
            window = first.clone();
        }
        // Each later page is read by a process that knows only the cursor.
        let asked = if number == 1 || number == 2 { store.another_process() } else { table.clone() };
        let (page, units, queries) = page(store, &asked, flow, filter, &window).await;
        *cost = units;
        if number == 0 {
            line.push(format!("{filter_name:<38} total {:>4}", page.total.min(COUNT_CAP)));
        }
        line.push(format!("{units:>5.1} in {queries:>2}"));
        let Some(next) = page.next else { break };
        assert_eq!(page.rows.len(), LIMIT);
        window.after = Some(next);
        window.was_beyond_cap = page.total > COUNT_CAP;
    }
    (line.join("  "), costs)
}

fn only(status: Option<RunStatus>, trigger: Option<Trigger>) -> RunFilter {
    RunFilter { status, trigger, ..RunFilter::default() }
}

/// Where the total is known, every page keeps the budget: if few runs match (they are counted), or if more than 1,000 do and that was found
/// once. `docs/benchmarks.md` has the figures, also of the counts.
#[test]
fn a_page_of_fifty_runs_of_the_rarest_filter_costs_at_most_ten_read_units() {
    block_on(async {
        let store = open().await;
        let maker = Maker::new(1);
        let (org, flow) = (maker.org(), maker.flow_id());
        filled(&store, org, flow).await;
        println!("read units and queries of pages of {LIMIT} among {RUNS} runs: first, second, third, first again in the same process");
        for (filter_name, filter) in [
            ("cancelled, cron (63 runs)", only(Some(RunStatus::Cancelled), Some(Trigger::Cron))),
            ("cancelled (63 runs)", only(Some(RunStatus::Cancelled), None)),
            ("failed, webhook (none)", only(Some(RunStatus::Failed), Some(Trigger::Webhook))),
            ("running (20 runs)", only(Some(RunStatus::Running), None)),
            ("cron (63 runs)", only(None, Some(Trigger::Cron))),
        ] {
            let (line, costs) = walk(&store, &flow, filter_name, &filter).await;
            println!("{line}");
            assert!(costs.iter().all(|cost| *cost <= BUDGET), "{line}");
        }
        for (filter_name, filter) in [
            ("succeeded, manual", only(Some(RunStatus::Succeeded), Some(Trigger::Manual))),
            ("succeeded", only(Some(RunStatus::Succeeded), None)),
            ("manual", only(None, Some(Trigger::Manual))),
            ("no filter", RunFilter::default()),
        ] {
            let (line, [first, second, third, again]) = walk(&store, &flow, filter_name, &filter).await;
            println!("{line}");
            assert!(second.max(third).max(again) <= BUDGET, "{line}");
            assert!(first <= BUDGET + COUNT, "{line}");
        }
        let spanned = RunFilter { from: Some(at(60 * 2_000)), to: Some(at(60 * 9_000)), ..RunFilter::default() };
        let (line, [_, second, third, _]) = walk(&store, &flow, "no filter but a span of 7,000 runs", &spanned).await;
        println!("{line}");
        assert!(second.max(third) <= BUDGET, "{line}");
        // Neither few nor more than the cap: they are counted for every page.
        let (line, costs) = walk(&store, &flow, "failed (500 runs)", &only(Some(RunStatus::Failed), None)).await;
        println!("{line}");
        assert!(costs.iter().all(|cost| *cost <= BUDGET + COUNT), "{line}");
    });
}

/// It is the only read that a cursor needs, once for each process.
#[test]
fn the_secret_of_a_cursor_costs_half_a_read_unit() {
    block_on(async {
        let store = open().await;
        let org = Maker::new(1).org();
        let made = store.runs.table.cursor_secret(&org).await.unwrap();
        store.metered.take_reads();
        let table = store.another_process();
        for expected in [vec![0.5], vec![]] {
            assert_eq!(table.cursor_secret(&org).await.unwrap(), made);
            let units: Vec<f64> = store.metered.take_reads().iter().map(|cost| cost.units).collect();
            assert_eq!(units, expected);
        }
    });
}
