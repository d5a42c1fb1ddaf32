//! `GET /api/service-connections/{slug}/health`: checks whether a registered service responds.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, named, view};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::network::PrivateNetworks;
use domain::ports::{Clock, Connections, Vault};
use nodes::{Outbound, check_health};

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint {
    name: "check-connection",
    method: "GET",
    path: "/api/service-connections/{slug}/health",
    scope: Some(Scope::ConnectionsRead),
    query: &[],
};

/// Returns 200 with the result of the check, whether the service is healthy or not: `healthy`, and `status`, `latencyMs` and `error` if
/// there are any. A healthy service sets `lastHealthyAt` of the connection.
pub async fn handle(
    store: &(impl Connections + PrivateNetworks),
    vault: &impl Vault,
    outbound: &Outbound,
    clock: &impl Clock,
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let org = request.caller.org;
    let connection = store.connection(&org, &request.service_slug()?).await?.ok_or(ApplicationError::NotFound("service connection"))?;
    let health = check_health(outbound, store, vault, &org, &connection).await?;
    let now = clock.now();
    if health.healthy {
        store.note_health(&org, &connection, now).await?;
    }
    let view = view::health(health.healthy, health.status, health.latency_ms, health.error.as_deref(), now);
    Ok(ApiResponse::ok(named("health", view)))
}
