//! Organisations in memory.

use domain::id::OrgId;
use domain::organisation::{CursorSecret, Organisation};
use domain::ports::{Entropy, Organisations, PortError};

use super::{Memory, State};
use crate::SeededEntropy;

impl State {
    fn put_organisation(&mut self, organisation: &Organisation) {
        let cursor_secret = self.organisations.get(&organisation.id).map(|stored| stored.cursor_secret.clone());
        let cursor_secret = cursor_secret.unwrap_or_else(|| organisation.cursor_secret.clone());
        self.organisations.insert(organisation.id, Organisation { cursor_secret, ..organisation.clone() });
    }

    pub(super) fn cursor_secret(&mut self, id: &OrgId) -> CursorSecret {
        let made = || {
            // Different for each organisation, and the same when a test is repeated.
            let entropy = SeededEntropy::new(id.to_string().bytes().fold(0, |sum, byte| sum * 31 % 1_000_003 + u64::from(byte)));
            let cursor_secret = CursorSecret::of_random(entropy.random(), entropy.random());
            Organisation { id: *id, long_retention: false, cursor_secret, created_at: id.created_at() }
        };
        self.organisations.entry(*id).or_insert_with(made).cursor_secret.clone()
    }
}

impl Organisations for Memory {
    async fn organisation(&self, id: &OrgId) -> Result<Option<Organisation>, PortError> {
        self.faults.read("organisation", || Ok(self.state().organisations.get(id).cloned())).await
    }

    async fn put_organisation(&self, organisation: &Organisation) -> Result<(), PortError> {
        let put = || {
            self.state().put_organisation(organisation);
            Ok(())
        };
        self.faults.call("put_organisation", true, put).await
    }

    async fn cursor_secret(&self, id: &OrgId) -> Result<CursorSecret, PortError> {
        self.faults.call("cursor_secret", true, || Ok(self.state().cursor_secret(id))).await
    }
}
