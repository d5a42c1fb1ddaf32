//! Connections.

use domain::flow::ServiceSlug;
use domain::id::OrgId;
use domain::ports::{Connection, Connections, PortError};

use crate::items::ConnectionItem;
use crate::{Table, error, keys, write};

impl Connections for Table {
    async fn connection(&self, org: &OrgId, slug: &ServiceSlug) -> Result<Option<Connection>, PortError> {
        let found = self.get::<ConnectionItem>(&keys::connection(org, slug), keys::CONNECTION).await?;
        Ok(found.map(ConnectionItem::into_connection))
    }
}

impl Table {
    /// Registers or replaces a connection.
    pub async fn put_connection(&self, org: &OrgId, connection: &Connection) -> Result<(), PortError> {
        let item = write(&ConnectionItem::of(org, connection))?;
        self.client.put_item().table_name(&self.name).set_item(Some(item)).send().await.map_err(error::port)?;
        Ok(())
    }
}
