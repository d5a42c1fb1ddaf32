//! `allow-egress`, `forbid-egress` and `show-egress`: the private networks that are open to an organisation.

use std::error::Error;

use domain::id::OrgId;
use domain::network::{PrivateNetworkSwitch as _, PrivateNetworks as _, PrivateRange};
use store::Table;

/// Opens a network and returns all that are open.
pub async fn allow(table: &Table, org: &OrgId, range: &PrivateRange) -> Result<String, Box<dyn Error>> {
    table.open_range(org, range).await?;
    show(table, org).await
}

/// Closes a network and returns all that are still open.
pub async fn forbid(table: &Table, org: &OrgId, range: &PrivateRange) -> Result<String, Box<dyn Error>> {
    table.close_range(org, range).await?;
    show(table, org).await
}

/// Returns the networks that are open, one per line.
pub async fn show(table: &Table, org: &OrgId) -> Result<String, Box<dyn Error>> {
    let ranges = table.private_ranges(org).await?;
    Ok(ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}
