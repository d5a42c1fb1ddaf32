//! The cost of admission, and that functions count exactly without knowing of each other.

use domain::access::{Bucket, Limits, Scope};
use domain::ports::{Admission, ApiKeys, Keys};
use domain::time::Time;
use futures_util::future::join_all;
use store::Table;
use testkit::build::{Maker, actor, at};

use crate::block_on;
use crate::opened::{Opened, open};

const ALL: Limits = Limits { reads: 600, writes: 40 };
const HASH: &str = "0f";

fn writes() -> Bucket {
    Bucket::of(Scope::RunsWrite, true)
}

async fn with_key() -> Opened {
    let store = open().await;
    let maker = Maker::new(1);
    let key = maker.key(maker.org(), actor("usr_ada"), &["runs:read", "runs:write", "flows:read", "flows:write"]);
    store.runs.table.create_key(&key, HASH).await.unwrap();
    store
}

async fn admit(table: &Table, now: Time) -> Admission {
    table.admit(HASH, writes(), ALL, now).await.unwrap()
}

async fn is_admitted(table: &Table, now: Time) -> bool {
    matches!(admit(table, now).await, Admission::Admitted(..))
}

/// Returns the minutes of the counters of the key, in order.
async fn counted(store: &Opened) -> Vec<String> {
    let item = store.item(&format!("KEY#{HASH}"), "KEY").await;
    let mut names: Vec<String> = item.into_keys().filter(|name| name.starts_with("count#")).collect();
    names.sort();
    names
}

#[test]
fn the_limit_is_exact_over_independent_functions() {
    block_on(async {
        let store = with_key().await;
        let processes: Vec<Table> = (0..8).map(|_| store.another_process()).collect();
        for minute in [1, 2, 7] {
            let answers = join_all((0..64).map(|call: usize| is_admitted(&processes[call % 8], at(minute * 60)))).await;
            assert_eq!(answers.into_iter().filter(|admitted| *admitted).count(), 40);
        }
    });
}

#[test]
fn a_request_costs_one_write_and_an_invented_key_one_read() {
    block_on(async {
        let store = with_key().await;
        let table = store.another_process();
        store.metered.take_operations();
        store.metered.take();
        assert_eq!(table.admit("made up", writes(), ALL, at(0)).await.unwrap(), Admission::Unknown);
        assert_eq!(store.metered.take_operations(), ["GetItem"]);
        // The first time that a process sees a key it reads it.
        assert!(is_admitted(&table, at(0)).await);
        assert_eq!(store.metered.take_operations(), ["GetItem", "UpdateItem"]);
        for seconds in [1, 2, 61, 7_200] {
            assert!(is_admitted(&table, at(seconds)).await);
        }
        assert_eq!(store.metered.take_operations(), ["UpdateItem"; 4]);
        let costs = store.metered.take();
        println!("admitting: {costs:?}");
        assert_eq!(costs.iter().map(|cost| cost.units).collect::<Vec<_>>(), [1.0; 5], "one unit each, in the table and in no index");
    });
}

#[test]
fn old_counters_are_removed_by_the_next_request() {
    block_on(async {
        let store = with_key().await;
        let table = store.another_process();
        let name = |seconds: u64| format!("count#{}#runs.write", at(seconds).seconds() / 60);
        for seconds in [0, 60, 120] {
            assert!(is_admitted(&table, at(seconds)).await);
        }
        // The minute before the present one stays: another machine may still count in it.
        assert_eq!(counted(&store).await, [name(0), name(60), name(120)]);
        assert!(is_admitted(&table, at(121)).await);
        assert_eq!(counted(&store).await, [name(60), name(120)]);
        // Processes that handle one request each leave no old counters either.
        for hour in 1..=20 {
            assert!(is_admitted(&store.another_process(), at(hour * 3_600)).await);
            assert_eq!(counted(&store).await, [name(hour * 3_600)]);
        }
    });
}

#[test]
fn a_process_that_has_seen_a_key_refuses_it_at_once_after_its_revocation() {
    block_on(async {
        let store = with_key().await;
        let table = store.another_process();
        assert!(is_admitted(&table, at(0)).await);
        let item = store.item(&format!("KEY#{HASH}"), "KEY").await;
        let id = item["id"].as_s().unwrap().parse().unwrap();
        let org = item["org"].as_s().unwrap().parse().unwrap();
        let revocation = domain::access::Revocation { at: at(1), by: "usr_grace".to_owned() };
        assert!(store.another_process().revoke_key(&org, &id, &revocation).await.unwrap().is_some());
        assert_eq!(admit(&table, at(1)).await, Admission::Unknown);
    });
}
