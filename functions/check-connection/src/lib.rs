//! `GET /api/service-connections/{slug}/health`: asks a registered service whether it is there.

use api::{ApiError, Call, Endpoint, Reply, under, view};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::network::PrivateNetworks;
use domain::ports::{Clock, Connections, Vault};
use nodes::{Outbound, check_health};

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "check-connection", method: "GET", path: "/api/service-connections/{slug}/health", scope: Scope::ConnectionsRead };

/// 200 with what was found, whether the service is well or not: `healthy`, and `status`, `latencyMs` and `error` as far as there are
/// any. If it is well, `lastHealthyAt` of the connection is now.
pub async fn handle(
    store: &(impl Connections + PrivateNetworks),
    vault: &impl Vault,
    outbound: &Outbound,
    clock: &impl Clock,
    call: Call,
) -> Result<Reply, ApiError> {
    let org = call.key.org;
    let connection = store.connection(&org, &call.service_slug()?).await?.ok_or(ApplicationError::NotFound("service connection"))?;
    let health = check_health(outbound, store, vault, &org, &connection).await?;
    let now = clock.now();
    if health.healthy {
        store.note_health(&org, &connection, now).await?;
    }
    let view = view::health(health.healthy, health.status, health.latency_ms, health.error.as_deref(), now);
    Ok(Reply::ok(under("health", view)))
}
