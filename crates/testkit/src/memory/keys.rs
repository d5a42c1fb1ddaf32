//! API keys in memory: admission, and the keys of an organisation.

use domain::access::{ApiKey, Bucket, Limits, Minute, Revocation, Usage};
use domain::id::{KeyId, OrgId};
use domain::ports::{Admission, ApiKeys, CommitError, Keys, Page, PortError, Window};
use domain::time::Time;

use super::lists::cut;
use super::{Memory, State};

impl State {
    fn admit(&mut self, secret_sha256: &str, bucket: Bucket, all: Limits, now: Time) -> Admission {
        let Some(key) = self.keys.get_mut(secret_sha256).filter(|key| key.is_valid(now)) else { return Admission::Unknown };
        let (minute, limit) = (Minute::of(now), key.limits.or(all, bucket.class()));
        let used = self.counts.entry((secret_sha256.to_owned(), bucket, minute)).or_default();
        // The first request of a minute is admitted whatever the limit is, as in the table.
        if *used > 0 && *used >= limit {
            return Admission::Exhausted(Usage { bucket, limit, used: *used, minute });
        }
        *used += 1;
        key.last_used_at = Some(now.hour());
        Admission::Admitted(key.clone(), Usage { bucket, limit, used: *used, minute })
    }

    fn create_key(&mut self, key: &ApiKey, secret_sha256: &str) -> Result<(), CommitError> {
        let is_taken = self.keys.iter().any(|(hash, known)| hash == secret_sha256 || (known.org, known.id) == (key.org, key.id));
        if is_taken {
            return Err(CommitError::Changed);
        }
        self.keys.insert(secret_sha256.to_owned(), key.clone());
        Ok(())
    }

    fn create_key_under(&mut self, key: &ApiKey, secret_sha256: &str, maker_sha256: &str) -> Result<(), CommitError> {
        if self.keys.get(maker_sha256).is_none_or(|maker| maker.revoked.is_some()) {
            return Err(CommitError::Changed);
        }
        self.create_key(key, secret_sha256)
    }

    fn api_keys(&self, org: &OrgId, window: &Window) -> Page<ApiKey> {
        let mut newest_first: Vec<ApiKey> = self.keys.values().filter(|key| key.org == *org).cloned().collect();
        newest_first.sort_by_key(|key| std::cmp::Reverse(key.id));
        cut(&newest_first, window, |key| key.id.to_string(), |key, after| key < after)
    }

    fn revoke_key(&mut self, org: &OrgId, id: &KeyId, revocation: &Revocation) -> Option<ApiKey> {
        let key = self.keys.values_mut().find(|key| (key.org, key.id) == (*org, *id))?;
        key.revoked.get_or_insert_with(|| revocation.clone());
        Some(key.clone())
    }
}

impl Keys for Memory {
    async fn admit(&self, secret_sha256: &str, bucket: Bucket, all: Limits, now: Time) -> Result<Admission, PortError> {
        self.faults.call("admit", true, || Ok(self.state().admit(secret_sha256, bucket, all, now))).await
    }
}

impl ApiKeys for Memory {
    async fn create_key(&self, key: &ApiKey, secret_sha256: &str) -> Result<(), CommitError> {
        self.faults.call("create_key", true, || self.state().create_key(key, secret_sha256)).await
    }

    async fn create_key_under(&self, key: &ApiKey, secret_sha256: &str, maker_sha256: &str) -> Result<(), CommitError> {
        self.faults.call("create_key_under", true, || self.state().create_key_under(key, secret_sha256, maker_sha256)).await
    }

    async fn api_keys(&self, org: &OrgId, window: &Window) -> Result<Page<ApiKey>, PortError> {
        self.faults.read("api_keys", || Ok(self.state().api_keys(org, window))).await
    }

    async fn revoke_key(&self, org: &OrgId, id: &KeyId, revocation: &Revocation) -> Result<Option<ApiKey>, PortError> {
        self.faults.call("revoke_key", true, || Ok(self.state().revoke_key(org, id, revocation))).await
    }
}
