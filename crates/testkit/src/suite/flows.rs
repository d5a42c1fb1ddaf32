//! Flows and versions; an organisation sees only its own.

use domain::flow::{Flow, FlowStatus, Version};
use domain::json::canonical;
use domain::ports::{CommitError, ConnectionBook, Connections, FlowName, Flows, Window};
use serde_json::json;

use super::Subject;
use crate::build::{Maker, at, chain, spec, transform};

fn is_changed(result: &Result<(), CommitError>) {
    assert!(matches!(result, Err(CommitError::Changed)), "expected a refusal, got {result:?}");
}

fn page(after: Option<String>, skip: usize, limit: usize) -> Window {
    Window { after, skip, limit, was_beyond_cap: false }
}

async fn stored(store: &impl Subject, flow: &Flow) -> Flow {
    store.table().flow(&flow.org, &FlowName::Id(flow.id)).await.unwrap().unwrap()
}

/// Every field is read as it was written.
pub async fn a_flow_reads_back_by_id_and_by_slug(store: &impl Subject) {
    let maker = Maker::new(30);
    let org = maker.org();
    let (mut flow, version) = maker.flow(org, "ticket-triage", chain(2), at(7));
    flow.status = FlowStatus::Paused;
    flow.description = String::new();
    store.table().create_flow(&flow, &version).await.unwrap();
    for name in [FlowName::Id(flow.id), FlowName::Slug(flow.slug.clone())] {
        assert_eq!(store.table().flow(&org, &name).await.unwrap(), Some(flow.clone()));
    }
    assert_eq!(store.table().version(&org, &flow.id, 1).await.unwrap(), Some(version));
    assert_eq!(store.table().version(&org, &flow.id, 2).await.unwrap(), None);
    assert_eq!(store.table().flow(&org, &FlowName::Slug("other".parse().unwrap())).await.unwrap(), None);
    assert_eq!(store.table().flow(&org, &FlowName::Id(maker.flow_id())).await.unwrap(), None);
}

/// The second of two flows with the same slug is refused as a whole.
pub async fn a_slug_is_unique_within_its_organisation(store: &impl Subject) {
    let maker = Maker::new(31);
    let org = maker.org();
    let (first, version) = maker.flow(org, "same", chain(1), at(0));
    store.table().create_flow(&first, &version).await.unwrap();
    let (second, version) = maker.flow(org, "same", chain(1), at(1));
    is_changed(&store.table().create_flow(&second, &version).await);
    assert_eq!(store.table().flow(&org, &FlowName::Id(second.id)).await.unwrap(), None);
    assert_eq!(store.table().version(&org, &second.id, 1).await.unwrap(), None);
    assert_eq!(store.table().flow(&org, &FlowName::Slug(first.slug.clone())).await.unwrap(), Some(first));
    let (elsewhere, version) = maker.flow(maker.org(), "same", chain(1), at(1));
    store.table().create_flow(&elsewhere, &version).await.unwrap();
    assert_eq!(stored(store, &elsewhere).await, elsewhere);
}

fn next_version(flow: &Flow, version: &Version, seconds: u64) -> (Flow, Version) {
    let number = flow.version + 1;
    (
        Flow { version: number, updated_at: at(seconds), ..flow.clone() },
        Version { number, spec: chain(3), created_at: at(seconds), ..version.clone() },
    )
}

/// The second of two writers who edit the same state is refused.
pub async fn an_update_of_a_flow_that_changed_meanwhile_is_refused(store: &impl Subject) {
    let maker = Maker::new(32);
    let (flow, version) = maker.flow(maker.org(), "flow", chain(1), at(0));
    store.table().create_flow(&flow, &version).await.unwrap();
    // Only the head changes.
    let renamed = Flow { name: "Another name".to_owned(), updated_at: at(1), ..flow.clone() };
    store.table().update_flow(&flow, &renamed, None).await.unwrap();
    assert_eq!(stored(store, &flow).await, renamed);
    // Head and version change; the writer has not seen the first change.
    let (late, late_version) = next_version(&flow, &version, 2);
    is_changed(&store.table().update_flow(&flow, &late, Some(&late_version)).await);
    is_changed(&store.table().update_flow(&flow, &late, None).await);
    assert_eq!(stored(store, &flow).await, renamed);
    assert_eq!(store.table().version(&flow.org, &flow.id, 2).await.unwrap(), None);
    // The writer has seen it.
    let (second, second_version) = next_version(&renamed, &version, 3);
    store.table().update_flow(&renamed, &second, Some(&second_version)).await.unwrap();
    assert_eq!(stored(store, &flow).await, second);
    assert_eq!(store.table().version(&flow.org, &flow.id, 2).await.unwrap(), Some(second_version));
    // A flow that does not exist cannot be updated.
    let (nowhere, _) = maker.flow(flow.org, "nowhere", chain(1), at(0));
    is_changed(&store.table().update_flow(&nowhere, &nowhere, None).await);
}

/// Runs refer to versions.
pub async fn versions_never_change(store: &impl Subject) {
    let maker = Maker::new(33);
    let (flow, version) = maker.flow(maker.org(), "flow", chain(1), at(0));
    store.table().create_flow(&flow, &version).await.unwrap();
    let other = Version { spec: chain(5), ..version.clone() };
    is_changed(&store.table().update_flow(&flow, &Flow { updated_at: at(1), ..flow.clone() }, Some(&other)).await);
    assert_eq!(stored(store, &flow).await, flow);
    // There are many: the text of one number may be the beginning of another.
    let (mut head, mut all) = (flow, vec![version]);
    for seconds in 2..=12 {
        let (flow, version) = next_version(&head, &all[0], seconds);
        store.table().update_flow(&head, &flow, Some(&version)).await.unwrap();
        head = flow;
        all.push(version);
    }
    for version in all {
        assert_eq!(store.table().version(&head.org, &head.id, version.number).await.unwrap(), Some(version));
    }
}

/// It is larger than an item, and has characters of several bytes where it is cut.
pub async fn a_spec_of_900_kb_reads_back(store: &impl Subject) {
    let maker = Maker::new(34);
    for fill in ["x".repeat(900_000), "ü–𝄞".repeat(100_000)] {
        let large = spec(&[transform("big", &json!(fill))], "");
        assert!(canonical(&large).len() >= 900_000);
        let (flow, version) = maker.flow(maker.org(), "large", large, at(0));
        store.table().create_flow(&flow, &version).await.unwrap();
        assert_eq!(store.table().version(&flow.org, &flow.id, 1).await.unwrap(), Some(version.clone()));
        let (second, second_version) = next_version(&flow, &version, 1);
        store.table().update_flow(&flow, &second, Some(&second_version)).await.unwrap();
        assert_eq!(store.table().version(&flow.org, &flow.id, 1).await.unwrap(), Some(version));
        assert_eq!(store.table().version(&flow.org, &flow.id, 2).await.unwrap(), Some(second_version));
    }
}

/// By page and by cursor.
pub async fn flows_are_listed_newest_first_page_by_page(store: &impl Subject) {
    let maker = Maker::new(35);
    let org = maker.org();
    let mut all = Vec::new();
    for number in 0..7 {
        let (flow, version) = maker.flow(org, &format!("f{number}"), chain(1), at(number));
        store.table().create_flow(&flow, &version).await.unwrap();
        all.insert(0, flow);
    }
    let everything = store.table().flows(&org, &page(None, 0, 7)).await.unwrap();
    assert_eq!((everything.rows, everything.next, everything.total), (all.clone(), None, 7));
    let second = store.table().flows(&org, &page(None, 3, 3)).await.unwrap();
    assert_eq!((second.rows.as_slice(), second.total), (&all[3..6], 7));
    let third = store.table().flows(&org, &page(second.next, 0, 3)).await.unwrap();
    assert_eq!((third.rows.as_slice(), third.next, third.total), (&all[6..], None, 7));
    let other = store.table().flows(&maker.org(), &page(None, 0, 3)).await.unwrap();
    assert_eq!((other.rows, other.next, other.total), (vec![], None, 0));
}

/// Neither by id nor by slug.
pub async fn flows_of_another_organisation_are_not_found(store: &impl Subject) {
    let maker = Maker::new(36);
    let (ours, theirs) = (maker.org(), maker.org());
    let (flow, version) = maker.flow(ours, "flow", chain(1), at(0));
    store.table().create_flow(&flow, &version).await.unwrap();
    let connection = maker.connection("custom:crm", at(0));
    store.table().register(&ours, &connection).await.unwrap();
    for name in [FlowName::Id(flow.id), FlowName::Slug(flow.slug.clone())] {
        assert_eq!(store.table().flow(&theirs, &name).await.unwrap(), None);
    }
    assert_eq!(store.table().version(&theirs, &flow.id, 1).await.unwrap(), None);
    assert_eq!(store.table().flows(&theirs, &page(None, 0, 5)).await.unwrap().total, 0);
    assert_eq!(store.table().connection(&theirs, &connection.slug).await.unwrap(), None);
    assert_eq!(store.table().delete_connection(&theirs, &connection.slug).await.unwrap(), None);
    assert_eq!(store.table().connections(&theirs, &page(None, 0, 5)).await.unwrap().total, 0);
    // A change in the name of another organisation is refused.
    let moved = Flow { org: theirs, ..flow.clone() };
    is_changed(&store.table().update_flow(&moved, &moved, None).await);
    assert_eq!(stored(store, &flow).await, flow);
    assert_eq!(store.table().connection(&ours, &connection.slug).await.unwrap(), Some(connection));
}
