//! Service connections as their organisation sees them. The key is never shown.

use domain::connection::Connection;
use domain::time::Time;
use serde_json::{Value, json};

use crate::json_object::without_nulls;

/// Returns a connection.
pub fn connection(connection: &Connection) -> Value {
    let key = connection.key.as_ref();
    without_nulls(json!({
        "id": connection.id,
        "serviceSlug": connection.slug,
        "baseUrl": connection.base_url,
        "apiKeyHash": key.map(|key| &key.hash),
        "authHeader": key.map(|key| &key.carrier.header),
        "authScheme": key.and_then(|key| key.carrier.scheme.as_ref()),
        "healthPath": connection.health_path.as_ref().map(ToString::to_string),
        "active": connection.active,
        "lastHealthyAt": connection.last_healthy_at,
        "lastUsedAt": connection.last_used_at,
        "createdAt": connection.id.created_at(),
        "updatedAt": connection.updated_at,
    }))
}

/// Returns the result of a check of a connection at `checked_at`.
pub fn health(healthy: bool, status: Option<u16>, latency_ms: Option<u64>, error: Option<&str>, checked_at: Time) -> Value {
    without_nulls(json!({"healthy": healthy, "status": status, "latencyMs": latency_ms, "checkedAt": checked_at, "error": error}))
}
