//! One item that cannot be read does not hide the others of its list.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::ports::{ApiKeys, ConnectionBook, Deliveries, Flows, WebhookEndpoints};
use domain::ports::{Page, RunFilter, RunLists, Runs, Window};
use testkit::build::at;

use crate::block_on;
use crate::opened::{Opened, TABLE, open};
use crate::stored_format::{Samples, write};

/// Sets an attribute of an item to a value that nothing can read.
async fn poison(store: &Opened, pk: &str, sk: &str, attribute: &str, value: &str) {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let update = store.client.update_item().table_name(TABLE).key("pk", text(pk)).key("sk", text(sk));
    let update = update.update_expression("SET #name = :value").expression_attribute_names("#name", attribute);
    update.expression_attribute_values(":value", text(value)).send().await.unwrap();
}

fn assert_all_but_one<T>(what: &str, page: &Page<T>, all: usize) {
    assert_eq!((page.rows.len(), page.unreadable), (all - 1, 1), "{what}");
    assert_eq!(page.next, None, "{what}");
}

#[test]
fn an_unreadable_row_is_left_out_and_counted() {
    block_on(async {
        let store = open().await;
        let samples = Samples::new();
        write(&store, &samples).await;
        let (table, org, window) = (&store.runs.table, samples.organisation.id, Window { limit: 20, ..Window::default() });

        let (flow, _) = &samples.flows[1];
        poison(&store, &format!("ORG#{org}#FLOW#{}", flow.id), "FLOW", "listRow", "not a row").await;
        assert_all_but_one("flows", &table.flows(&org, &window).await.unwrap(), samples.flows.len());

        poison(&store, &format!("RUN#{}", samples.runs[4].id), "RUN", "listRow", "not a row").await;
        let runs = table.runs_of(&samples.runs[0].flow, &RunFilter::default(), &window).await.unwrap();
        assert_all_but_one("runs", &runs, samples.runs.len());

        // JSON that was accepted once, and is deeper than a parser goes.
        let parked = samples.runs[samples.parked].clone();
        let second = domain::gate::Gate { node: "second".parse().unwrap(), ..samples.gates[0].clone() };
        let parked = store.runs.load(&parked.id).await.unwrap().unwrap();
        store.runs.commit(parked.clone(), std::slice::from_ref(&second)).await.unwrap();
        let deep = "[".repeat(200) + &"]".repeat(200);
        poison(&store, &format!("RUN#{}", parked.id), "GATE#review", "proposedAction", &deep).await;
        let open = table.open_gates(&org, None, &|_| true, &window).await.unwrap();
        assert_eq!((open.rows.as_slice(), open.unreadable), (std::slice::from_ref(&second), 1));

        poison(&store, &format!("KEY#{}", samples.keys[0].1), "KEY", "validUntil", "whenever").await;
        assert_all_but_one("keys", &table.api_keys(&org, &window).await.unwrap(), samples.keys.len());

        let slug = &samples.connections[0].slug;
        poison(&store, &format!("ORG#{org}#CONNECTION#{slug}"), "CONNECTION", "healthPath", "no path").await;
        assert_all_but_one("connections", &table.connections(&org, &window).await.unwrap(), samples.connections.len());

        let endpoint = table.endpoints(&org).await.unwrap().all[0].id;
        poison(&store, &format!("ORG#{org}#WEBHOOK#{endpoint}"), &samples.deliveries[0].id.to_string(), "status", "unheard-of").await;
        let deliveries = table.deliveries(&org, &endpoint, &window, at(100)).await.unwrap();
        assert_all_but_one("deliveries", &deliveries, samples.deliveries.len());
    });
}

#[test]
fn a_page_may_end_with_an_unreadable_row() {
    block_on(async {
        let store = open().await;
        let samples = Samples::new();
        write(&store, &samples).await;
        let (table, org) = (&store.runs.table, samples.organisation.id);
        poison(&store, &format!("ORG#{org}#FLOW#{}", samples.flows[1].0.id), "FLOW", "listRow", "not a row").await;
        let first = table.flows(&org, &Window { limit: 2, ..Window::default() }).await.unwrap();
        assert_eq!((first.rows.len(), first.unreadable), (1, 1));
        let second = table.flows(&org, &Window { limit: 2, after: first.next, ..Window::default() }).await.unwrap();
        assert_eq!((second.rows.len(), second.unreadable, second.next), (1, 0, None));
        assert_eq!(second.rows[0].id, samples.flows[0].0.id);
    });
}
