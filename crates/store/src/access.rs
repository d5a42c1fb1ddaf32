//! Keys and connections.

use domain::access::ApiKey;
use domain::flow::ServiceSlug;
use domain::id::OrgId;
use domain::ports::{Connection, Connections, Keys, PortError};

use crate::items::{ConnectionItem, KeyItem};
use crate::{Table, error, keys, write};

impl Keys for Table {
    async fn key(&self, secret_sha256: &str) -> Result<Option<ApiKey>, PortError> {
        self.get::<KeyItem>(&keys::api_key(secret_sha256), keys::KEY).await?.map(KeyItem::into_key).transpose()
    }
}

impl Connections for Table {
    async fn connection(&self, org: &OrgId, slug: &ServiceSlug) -> Result<Option<Connection>, PortError> {
        let found = self.get::<ConnectionItem>(&keys::connection(org, slug), keys::CONNECTION).await?;
        Ok(found.map(ConnectionItem::into_connection))
    }
}

impl Table {
    /// Keeps a key under the SHA-256 of its secret (lower-case hex).
    pub async fn put_key(&self, key: &ApiKey, secret_sha256: &str) -> Result<(), PortError> {
        let item = write(&KeyItem::of(key, secret_sha256))?;
        self.client.put_item().table_name(&self.name).set_item(Some(item)).send().await.map_err(error::port)?;
        Ok(())
    }

    /// Registers or replaces a connection.
    pub async fn put_connection(&self, org: &OrgId, connection: &Connection) -> Result<(), PortError> {
        let item = write(&ConnectionItem::of(org, connection))?;
        self.client.put_item().table_name(&self.name).set_item(Some(item)).send().await.map_err(error::port)?;
        Ok(())
    }
}
