//! The cost of a page of the inbox in read units, among 5,000 open approvals.

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use domain::access::Assignee;
use domain::gate::Gate;
use domain::id::{ApprovalId, OrgId, RunId};
use domain::ports::{COUNT_CAP, Entropy, Page, RunLists, Runs, Window};
use serde_json::json;
use store::Table;
use testkit::build::{Maker, at, chain};

use crate::block_on;
use crate::opened::{Opened, TABLE, open};

const OPEN: u64 = 5_000;
/// The budget of a page of 50 approvals, in read units.
const BUDGET: f64 = 15.0;

/// Returns what an actor with 20 roles and teams can be asked as.
fn mine() -> Vec<Option<Assignee>> {
    let named = (0..20).map(|n| if n % 2 == 0 { format!("role:r{n}") } else { format!("team:t{n}") });
    named.chain(["user:usr_ada".to_owned()]).map(|name| Some(name.parse().unwrap())).chain([None]).collect()
}

/// Opens approvals as the store does, but many at once. `assignee` returns the assignee of each.
async fn filled(store: &Opened, org: OrgId, assignee: impl Fn(u64) -> Option<Assignee>) {
    let maker = Maker::new(3);
    let run = maker.run(org, maker.flow_id(), &chain(1), at(0));
    store.runs.create(&run, &json!({}), None).await.unwrap();
    let gate = maker.gate(&run, "n1", at(0));
    let run = store.runs.commit(run, std::slice::from_ref(&gate)).await.unwrap();
    let item = store.raw_gate(&run.id, "n1").await;
    let mut closed = gate.clone();
    closed.close(at(1));
    store.runs.commit(run, &[closed]).await.unwrap();
    let copies: Vec<WriteRequest> = (0..OPEN)
        .map(|number| {
            let run = RunId::fresh(at(number), maker.entropy().random());
            let (id, assignee) = (ApprovalId::of_run(&run, 0, 1).unwrap(), assignee(number));
            let prefix = assignee.as_ref().map_or_else(String::new, |assignee| format!("{assignee}#"));
            let mut item = item.clone();
            for (name, value) in [
                ("pk", format!("RUN#{run}")),
                ("run", run.to_string()),
                ("id", id.to_string()),
                ("openedAt", at(number).to_string()),
                ("inboxSk", format!("{prefix}{}#{id}", at(number))),
            ] {
                item.insert(name.to_owned(), AttributeValue::S(value));
            }
            if let Some(assignee) = assignee {
                item.insert("assignTo".to_owned(), AttributeValue::S(assignee.to_string()));
            }
            WriteRequest::builder().put_request(PutRequest::builder().set_item(Some(item)).build().unwrap()).build()
        })
        .collect();
    for chunk in copies.chunks(25) {
        store.client.batch_write_item().request_items(TABLE, chunk.to_vec()).send().await.unwrap();
    }
}

async fn page(store: &Opened, table: &Table, org: &OrgId, window: &Window) -> (Page<Gate>, f64) {
    store.metered.take_reads();
    let page = table.open_gates(org, Some(&mine()), &|_| true, window).await.unwrap();
    let reads = store.metered.take_reads();
    assert!(!reads.is_empty(), "the engine under the store reports no capacity");
    (page, reads.iter().map(|cost| cost.units).sum())
}

/// The other 4,950 are not read.
#[test]
fn a_page_of_fifty_among_five_thousand_approvals_of_others_costs_at_most_fifteen_read_units() {
    block_on(async {
        let store = open().await;
        let org = Maker::new(1).org();
        filled(&store, org, |number| {
            if number % 100 == 7 {
                mine()[usize::try_from(number / 100 % 22).unwrap()].clone()
            } else {
                Some("role:other".parse().unwrap())
            }
        })
        .await;
        let (page, units) = page(&store, &store.another_process(), &org, &Window { limit: 50, ..Window::default() }).await;
        assert_eq!((page.rows.len(), page.total, page.next), (50, 50, None));
        assert!(units <= BUDGET, "{units}");
    });
}

/// More than the total counts: a process counts them once a minute, and the cursors of later pages say it.
#[test]
fn a_page_of_fifty_of_five_thousand_approvals_of_mine_costs_at_most_fifteen_read_units_once_they_are_counted() {
    block_on(async {
        let store = open().await;
        let org = Maker::new(1).org();
        filled(&store, org, |number| mine()[usize::try_from(number % 22).unwrap()].clone()).await;
        let (first, table) = (Window { limit: 50, ..Window::default() }, store.another_process());
        let (counted, _) = page(&store, &table, &org, &first).await;
        assert_eq!((counted.rows.len(), counted.total), (50, COUNT_CAP + 1));
        let (again, units) = page(&store, &table, &org, &first).await;
        assert_eq!((again.rows, again.total), (counted.rows, COUNT_CAP + 1));
        assert!(units <= BUDGET, "{units}");
        let second = Window { after: counted.next, was_beyond_cap: true, ..first };
        let (_, units) = page(&store, &store.another_process(), &org, &second).await;
        assert!(units <= BUDGET, "{units}");
    });
}
