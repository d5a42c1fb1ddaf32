//! `new-org`.

use std::error::Error;

use domain::id::OrgId;
use domain::organisation::{CursorSecret, Organisation};
use domain::ports::{Entropy as _, Organisations as _};
use domain::time::Time;
use runtime::OsEntropy;
use store::Table;

/// Creates an organisation and returns its id.
pub async fn create(table: &Table, now: Time) -> Result<String, Box<dyn Error>> {
    let id = OrgId::new(now, OsEntropy.random());
    let cursor_secret = CursorSecret::of_random(OsEntropy.random(), OsEntropy.random());
    table.put_organisation(&Organisation { id, long_retention: false, cursor_secret, created_at: now }).await?;
    Ok(id.to_string())
}
