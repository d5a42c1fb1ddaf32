//! Service connections.

use domain::connection::{Carrier, Connection, ConnectionKey};
use domain::id::OrgId;
use domain::ports::{ConnectionBook, Connections, Registered, Window};
use domain::secret::Sealed;

use super::Subject;
use crate::build::{Maker, at};

fn page(after: Option<String>, skip: usize, limit: usize) -> Window {
    Window { after, skip, limit, was_beyond_cap: false }
}

async fn stored(store: &impl Subject, org: &OrgId, connection: &Connection) -> Option<Connection> {
    store.table().connection(org, &connection.slug).await.unwrap()
}

/// Every field is read as it was written, present or absent.
pub async fn connections_read_back(store: &impl Subject) {
    let maker = Maker::new(37);
    let org = maker.org();
    let full = Connection {
        health_path: Some("/health?deep=1".parse().unwrap()),
        active: false,
        last_healthy_at: Some(at(10)),
        last_used_at: Some(at(20)),
        updated_at: at(30),
        ..maker.connection("custom:crm", at(1))
    };
    let bare = Connection { key: None, ..maker.connection("aml", at(2)) };
    let carrier = Carrier { header: "X-Api-Key".to_owned(), scheme: None };
    let key = ConnectionKey { sealed: Sealed::from_text("other"), hash: "h".to_owned(), carrier };
    let other = Connection { key: Some(key), ..maker.connection("custom:erp", at(3)) };
    for connection in [full, bare, other] {
        assert_eq!(stored(store, &org, &connection).await, None);
        assert_eq!(store.table().register(&org, &connection).await.unwrap(), Registered::New(connection.clone()));
        assert_eq!(stored(store, &org, &connection).await, Some(connection));
    }
}

/// It keeps its id and its last use, and loses what was known of its health.
pub async fn a_connection_is_replaced_and_stays_the_same_one(store: &impl Subject) {
    let maker = Maker::new(38);
    let org = maker.org();
    let health_path = Some("/health".parse().unwrap());
    let first = Connection { health_path, ..maker.connection("custom:crm", at(1)) };
    store.table().register(&org, &first).await.unwrap();
    store.table().note_use(&org, &first, at(3_600)).await.unwrap();
    store.table().note_health(&org, &first, at(20)).await.unwrap();
    let second = Connection { key: None, active: false, base_url: "https://b.test".to_owned(), ..maker.connection("custom:crm", at(50)) };
    let expected = Connection { id: first.id, last_used_at: Some(at(3_600)), ..second.clone() };
    assert_eq!(store.table().register(&org, &second).await.unwrap(), Registered::Again(expected.clone()));
    assert_eq!(stored(store, &org, &first).await, Some(expected.clone()));
    let list = store.table().connections(&org, &page(None, 0, 5)).await.unwrap();
    assert_eq!((list.rows, list.total), (vec![expected], 1));
}

/// A connection that is registered afterwards is another one.
pub async fn a_connection_is_deleted_once(store: &impl Subject) {
    let maker = Maker::new(39);
    let org = maker.org();
    let (first, kept) = (maker.connection("custom:crm", at(1)), maker.connection("custom:erp", at(2)));
    for connection in [&first, &kept] {
        store.table().register(&org, connection).await.unwrap();
    }
    assert_eq!(store.table().delete_connection(&org, &first.slug).await.unwrap(), Some(first.clone()));
    assert_eq!(store.table().delete_connection(&org, &first.slug).await.unwrap(), None);
    assert_eq!(stored(store, &org, &first).await, None);
    let list = store.table().connections(&org, &page(None, 0, 5)).await.unwrap();
    assert_eq!((list.rows, list.total), (vec![kept], 1));
    let again = maker.connection("custom:crm", at(3));
    assert_eq!(store.table().register(&org, &again).await.unwrap(), Registered::New(again.clone()));
    // A use of the first connection that is recorded late does not count for the second.
    store.table().note_use(&org, &first, at(3_600)).await.unwrap();
    assert_eq!(stored(store, &org, &first).await, Some(again));
}

/// Those of other names and of other organisations are left out.
pub async fn connections_are_found_by_their_names(store: &impl Subject) {
    let maker = Maker::new(58);
    let (org, other) = (maker.org(), maker.org());
    let (crm, erp) = (maker.connection("custom:crm", at(1)), maker.connection("custom:erp", at(2)));
    for connection in [&crm, &erp] {
        store.table().register(&org, connection).await.unwrap();
    }
    let named = |slugs: &[&str]| slugs.iter().map(|slug| slug.parse().unwrap()).collect();
    let found = store.table().connections_named(&org, &named(&["custom:crm", "aml"])).await.unwrap();
    assert_eq!(found, [crm]);
    assert_eq!(store.table().connections_named(&other, &named(&["custom:crm"])).await.unwrap(), []);
    assert_eq!(store.table().connections_named(&org, &named(&[])).await.unwrap(), []);
}

/// The times only increase, and recording one creates nothing.
pub async fn uses_and_checks_of_a_connection_are_recorded_while_it_exists(store: &impl Subject) {
    let maker = Maker::new(40);
    let org = maker.org();
    let connection = maker.connection("custom:crm", at(1));
    store.table().note_use(&org, &connection, at(5)).await.unwrap();
    store.table().note_health(&org, &connection, at(5)).await.unwrap();
    assert_eq!(stored(store, &org, &connection).await, None);
    store.table().register(&org, &connection).await.unwrap();
    for time in [7_200, 3_600] {
        store.table().note_use(&org, &connection, at(time)).await.unwrap();
        store.table().note_health(&org, &connection, at(time + 1)).await.unwrap();
    }
    let expected = Connection { last_used_at: Some(at(7_200)), last_healthy_at: Some(at(7_201)), ..connection.clone() };
    assert_eq!(stored(store, &org, &connection).await, Some(expected.clone()));
    // A check of a connection that was replaced says nothing about its replacement.
    let replaced = Connection { updated_at: at(60), ..connection.clone() };
    store.table().register(&org, &replaced).await.unwrap();
    store.table().note_health(&org, &connection, at(9_000)).await.unwrap();
    let expected = Connection { last_healthy_at: None, updated_at: at(60), ..expected };
    assert_eq!(stored(store, &org, &connection).await, Some(expected));
}

/// They are sorted by id, whatever their slugs are.
pub async fn connections_are_listed_newest_first_page_by_page(store: &impl Subject) {
    let maker = Maker::new(41);
    let org = maker.org();
    let mut all = Vec::new();
    for (number, slug) in (0..).zip(["custom:c", "aml", "custom:z", "identity", "custom:a"]) {
        let connection = maker.connection(slug, at(number));
        store.table().register(&org, &connection).await.unwrap();
        all.insert(0, connection);
    }
    let everything = store.table().connections(&org, &page(None, 0, 5)).await.unwrap();
    assert_eq!((everything.rows, everything.next, everything.total), (all.clone(), None, 5));
    let first = store.table().connections(&org, &page(None, 1, 2)).await.unwrap();
    assert_eq!((first.rows.as_slice(), first.total), (&all[1..3], 5));
    let second = store.table().connections(&org, &page(first.next, 0, 2)).await.unwrap();
    assert_eq!((second.rows.as_slice(), second.next, second.total), (&all[3..], None, 5));
    let beyond = store.table().connections(&org, &page(None, 20, 3)).await.unwrap();
    assert_eq!((beyond.rows, beyond.next, beyond.total), (vec![], None, 5));
}
