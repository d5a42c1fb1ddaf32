//! Organisations and their cursor secrets.

use domain::organisation::{CursorSecret, Organisation};
use domain::ports::{Entropy, Organisations};

use super::Subject;
use crate::build::{Maker, at};

fn organisation(maker: &Maker) -> Organisation {
    let cursor_secret = CursorSecret::of_random(maker.entropy().random(), maker.entropy().random());
    Organisation { id: maker.org(), long_retention: false, cursor_secret, created_at: at(7) }
}

/// One organisation does not change another.
pub async fn an_organisation_reads_back_with_every_field(store: &impl Subject) {
    let maker = Maker::new(60);
    let (plain, other) = (organisation(&maker), organisation(&maker));
    let keeps = Organisation { long_retention: true, ..other };
    for organisation in [&plain, &keeps] {
        assert_eq!(store.table().organisation(&organisation.id).await.unwrap(), None);
        store.table().put_organisation(organisation).await.unwrap();
    }
    for organisation in [plain, keeps] {
        assert_eq!(store.table().organisation(&organisation.id).await.unwrap().as_ref(), Some(&organisation));
        assert_eq!(store.table().cursor_secret(&organisation.id).await.unwrap(), organisation.cursor_secret);
    }
}

/// Otherwise a change of something else would invalidate the cursors that callers have.
pub async fn the_secret_of_an_organisation_never_changes(store: &impl Subject) {
    let maker = Maker::new(61);
    let before = organisation(&maker);
    store.table().put_organisation(&before).await.unwrap();
    let changed = Organisation { long_retention: true, cursor_secret: organisation(&maker).cursor_secret, ..before.clone() };
    store.table().put_organisation(&changed).await.unwrap();
    let expected = Organisation { long_retention: true, ..before };
    assert_eq!(store.table().organisation(&expected.id).await.unwrap().as_ref(), Some(&expected));
    assert_eq!(store.table().cursor_secret(&expected.id).await.unwrap(), expected.cursor_secret);
}

/// Its keys are older than the records of organisations: it gets a secret when one is needed, and keeps it.
pub async fn an_organisation_that_was_never_written_has_a_secret_all_the_same(store: &impl Subject) {
    let maker = Maker::new(62);
    let (id, other) = (maker.org(), maker.org());
    let secret = store.table().cursor_secret(&id).await.unwrap();
    assert_eq!(store.table().cursor_secret(&id).await.unwrap(), secret);
    assert_ne!(store.table().cursor_secret(&other).await.unwrap(), secret);
    let stored = store.table().organisation(&id).await.unwrap().unwrap();
    assert_eq!(stored, Organisation { id, long_retention: false, cursor_secret: secret.clone(), created_at: id.created_at() });
    // Writing the organisation afterwards keeps the secret.
    let written = Organisation { id, long_retention: true, ..organisation(&maker) };
    store.table().put_organisation(&written).await.unwrap();
    let expected = Organisation { cursor_secret: secret, ..written };
    assert_eq!(store.table().organisation(&id).await.unwrap(), Some(expected));
}
