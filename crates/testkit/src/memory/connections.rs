//! Service connections in memory.

use std::collections::BTreeSet;

use domain::connection::Connection;
use domain::flow::ServiceSlug;
use domain::id::OrgId;
use domain::ports::{ConnectionBook, Connections, Page, PortError, Registered, Window};
use domain::time::Time;

use super::lists::cut;
use super::{Memory, State};

impl State {
    fn register(&mut self, org: &OrgId, connection: &Connection) -> Registered {
        let place = (*org, connection.slug.clone());
        let Some(before) = self.connections.get(&place) else {
            self.connections.insert(place, connection.clone());
            return Registered::New(connection.clone());
        };
        let again = Connection { id: before.id, last_used_at: before.last_used_at, last_healthy_at: None, ..connection.clone() };
        self.connections.insert(place, again.clone());
        Registered::Again(again)
    }

    fn connection_list(&self, org: &OrgId, window: &Window) -> Page<Connection> {
        let mut all: Vec<Connection> = self.connections.iter().filter(|((owner, _), _)| owner == org).map(|(_, one)| one.clone()).collect();
        all.sort_by_key(|connection| std::cmp::Reverse(connection.id));
        cut(&all, window, |row| row.id.to_string(), |key, after| key < after)
    }

    /// Returns the connection, if it is still the one that was read.
    fn same_connection(&mut self, org: &OrgId, read: &Connection) -> Option<&mut Connection> {
        self.connections.get_mut(&(*org, read.slug.clone())).filter(|stored| stored.id == read.id)
    }
}

impl Connections for Memory {
    async fn connection(&self, org: &OrgId, slug: &ServiceSlug) -> Result<Option<Connection>, PortError> {
        self.faults.read("connection", || Ok(self.state().connections.get(&(*org, slug.clone())).cloned())).await
    }

    async fn note_use(&self, org: &OrgId, connection: &Connection, at: Time) -> Result<(), PortError> {
        let note = || {
            if let Some(stored) = self.state().same_connection(org, connection) {
                stored.last_used_at = stored.last_used_at.max(Some(at));
            }
            Ok(())
        };
        self.faults.call("note_use", true, note).await
    }

    async fn note_health(&self, org: &OrgId, connection: &Connection, at: Time) -> Result<(), PortError> {
        let note = || {
            let mut state = self.state();
            let stored = state.same_connection(org, connection).filter(|stored| stored.updated_at == connection.updated_at);
            if let Some(stored) = stored {
                stored.last_healthy_at = stored.last_healthy_at.max(Some(at));
            }
            Ok(())
        };
        self.faults.call("note_health", true, note).await
    }
}

impl ConnectionBook for Memory {
    async fn register(&self, org: &OrgId, connection: &Connection) -> Result<Registered, PortError> {
        self.faults.call("register", true, || Ok(self.state().register(org, connection))).await
    }

    async fn connections(&self, org: &OrgId, window: &Window) -> Result<Page<Connection>, PortError> {
        self.faults.read("connections", || Ok(self.state().connection_list(org, window))).await
    }

    async fn connections_named(&self, org: &OrgId, slugs: &BTreeSet<ServiceSlug>) -> Result<Vec<Connection>, PortError> {
        let found = || Ok(slugs.iter().filter_map(|slug| self.state().connections.get(&(*org, slug.clone())).cloned()).collect());
        self.faults.read("connections_named", found).await
    }

    async fn delete_connection(&self, org: &OrgId, slug: &ServiceSlug) -> Result<Option<Connection>, PortError> {
        self.faults.call("delete_connection", true, || Ok(self.state().connections.remove(&(*org, slug.clone())))).await
    }
}
