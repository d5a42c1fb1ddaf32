//! The items of a service connection: the connection itself, and its entry in the collection of its organisation.

use domain::connection::{Carrier, Connection, ConnectionKey, HealthPath};
use domain::flow::ServiceSlug;
use domain::id::{ConnectionId, OrgId};
use domain::ports::PortError;
use domain::secret::Sealed;
use domain::time::Time;
use serde::{Deserialize, Serialize};

use crate::error::corrupt;
use crate::keys;

pub(crate) const ID: &str = "id";
pub(crate) const UPDATED_AT: &str = "updatedAt";
pub(crate) const LAST_USED_AT: &str = "lastUsedAt";
pub(crate) const LAST_HEALTHY_AT: &str = "lastHealthyAt";
/// The attributes that a connection need not have.
pub(crate) const OPTIONAL: [&str; 5] = ["healthPath", "sealedKey", "keyHash", "keyHeader", "keyScheme"];

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectionItem {
    pk: String,
    sk: String,
    pub(crate) id: ConnectionId,
    slug: ServiceSlug,
    base_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    health_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed_key: Option<Sealed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_header: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_scheme: Option<String>,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_healthy_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Time>,
    updated_at: Time,
}

impl ConnectionItem {
    pub(crate) fn of(org: &OrgId, connection: &Connection) -> Self {
        let key = connection.key.as_ref();
        Self {
            pk: keys::connection(org, &connection.slug),
            sk: keys::CONNECTION.to_owned(),
            id: connection.id,
            slug: connection.slug.clone(),
            base_url: connection.base_url.clone(),
            health_path: connection.health_path.as_ref().map(ToString::to_string),
            sealed_key: key.map(|key| key.sealed.clone()),
            key_hash: key.map(|key| key.hash.clone()),
            key_header: key.map(|key| key.carrier.header.clone()),
            key_scheme: key.and_then(|key| key.carrier.scheme.clone()),
            active: connection.active,
            last_healthy_at: connection.last_healthy_at,
            last_used_at: connection.last_used_at,
            updated_at: connection.updated_at,
        }
    }

    pub(crate) fn into_connection(self) -> Result<Connection, PortError> {
        let key = match (self.sealed_key, self.key_hash, self.key_header) {
            (Some(sealed), Some(hash), Some(header)) => {
                Some(ConnectionKey { sealed, hash, carrier: Carrier { header, scheme: self.key_scheme } })
            }
            (None, None, None) => None,
            _ => return Err(corrupt(format!("connection {} has a part of a key", self.id))),
        };
        Ok(Connection {
            id: self.id,
            slug: self.slug,
            base_url: self.base_url,
            health_path: self.health_path.map(|path| path.parse::<HealthPath>()).transpose().map_err(corrupt)?,
            key,
            active: self.active,
            last_healthy_at: self.last_healthy_at,
            last_used_at: self.last_used_at,
            updated_at: self.updated_at,
        })
    }
}

/// The entry of a connection in the collection of its organisation. It says where the connection is, and nothing that could change.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectionEntry {
    pk: String,
    pub(crate) sk: String,
    pub(crate) slug: ServiceSlug,
}

impl ConnectionEntry {
    pub(crate) fn of(org: &OrgId, connection: &Connection) -> Self {
        Self { pk: keys::connections(org), sk: connection.id.to_string(), slug: connection.slug.clone() }
    }
}
