//! Revokes a key together with the keys that it has made.

use super::keys::ApiKeys;
use crate::access::{ApiKey, Revocation};
use crate::error::PortError;
use crate::id::{KeyId, OrgId};
use crate::page::Window;

/// The number of keys that are read at a time.
const BATCH: usize = 100;

/// Revokes a key, and then every key that descends from it. Returns the key as it is then; none if the organisation has no such key.
///
/// A key that is revoked makes no more keys: its revocation and the write of a new key exclude each other. So the search is over when it
/// finds no descendant that is still valid. If this fails, the key itself may be revoked and some of its descendants not; the same call
/// once more revokes the rest.
pub async fn revoke_with_descendants(
    keys: &impl ApiKeys,
    org: &OrgId,
    id: &KeyId,
    revocation: &Revocation,
) -> Result<Option<ApiKey>, PortError> {
    let Some(revoked) = keys.revoke_key(org, id, revocation).await? else { return Ok(None) };
    loop {
        let descendants = living_descendants(keys, org, id).await?;
        if descendants.is_empty() {
            return Ok(Some(revoked));
        }
        for descendant in descendants {
            keys.revoke_key(org, &descendant, revocation).await?;
        }
    }
}

async fn living_descendants(keys: &impl ApiKeys, org: &OrgId, id: &KeyId) -> Result<Vec<KeyId>, PortError> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = keys.api_keys(org, &Window { after, skip: 0, limit: BATCH, was_beyond_cap: true }).await?;
        let descends = page.rows.iter().filter(|key| key.revoked.is_none() && key.ancestors.contains(id));
        found.extend(descends.map(|key| key.id));
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}
