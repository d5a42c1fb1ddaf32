//! `DELETE /api/api-keys/{keyId}`: takes a key out of use.

use api::{ApiError, Call, Endpoint, Reply, under, view};
use domain::access::{Revocation, Scope};
use domain::error::ApplicationError;
use domain::ports::{ApiKeys, Clock};

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "revoke-api-key", method: "DELETE", path: "/api/api-keys/{keyId}", scope: Scope::ApiManage };

/// 200 with the key, which no request that begins afterwards gets in with. Revoking it again changes nothing: who did it first,
/// and when, stays. A key may revoke itself.
pub async fn handle(ring: &impl ApiKeys, clock: &impl Clock, call: Call) -> Result<Reply, ApiError> {
    let revocation = Revocation { at: clock.now(), by: call.key.actor.id.clone() };
    let key = ring.revoke_key(&call.key.org, &call.key_id()?, &revocation).await?.ok_or(ApplicationError::NotFound("API key"))?;
    Ok(Reply::ok(under("apiKey", view::api_key(&key))))
}
