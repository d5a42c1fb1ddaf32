//! Private ranges that are open to organisations.

use domain::network::{PrivateNetworkSwitch, PrivateNetworks, PrivateRange};
use domain::organisation::Organisation;
use domain::ports::Organisations;

use super::Subject;
use crate::build::{Maker, at};

/// To it alone, until they are closed, whether or not the organisation has a record.
pub async fn private_ranges_are_open_to_one_organisation(store: &impl Subject) {
    let maker = Maker::new(63);
    let (ours, theirs) = (maker.org(), maker.org());
    let [vpc, ula]: [PrivateRange; 2] = ["10.1.0.0/16", "fd12:3456::/32"].map(|range| range.parse().unwrap());
    let table = store.table();
    assert_eq!(table.private_ranges(&ours).await.unwrap(), []);
    table.close_range(&ours, &vpc).await.unwrap();
    for range in [ula, vpc, ula] {
        table.open_range(&ours, &range).await.unwrap();
    }
    assert_eq!(table.private_ranges(&ours).await.unwrap(), [vpc, ula]);
    assert_eq!(table.private_ranges(&theirs).await.unwrap(), []);
    // The rest of the record is written before and after them.
    let cursor_secret = table.cursor_secret(&ours).await.unwrap();
    table.put_organisation(&Organisation { id: ours, long_retention: true, cursor_secret, created_at: at(7) }).await.unwrap();
    table.close_range(&ours, &ula).await.unwrap();
    assert_eq!(table.private_ranges(&ours).await.unwrap(), [vpc]);
    table.close_range(&ours, &vpc).await.unwrap();
    assert_eq!(table.private_ranges(&ours).await.unwrap(), []);
    assert!(table.organisation(&ours).await.unwrap().unwrap().long_retention);
}
