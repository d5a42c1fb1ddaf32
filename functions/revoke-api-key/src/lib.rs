//! `DELETE /api/api-keys/{keyId}`: revokes a key.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, named, view};
use domain::access::{Revocation, Scope};
use domain::error::ApplicationError;
use domain::ports::{ApiKeys, Clock, revoke_with_descendants};

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "revoke-api-key", method: "DELETE", path: "/api/api-keys/{keyId}", scope: Some(Scope::ApiManage), query: &[] };

/// Returns 200 with the key. It admits no request that begins afterwards, and neither do the keys that it has made. Revoking it again
/// changes nothing: the actor and the time of the first revocation stay. A key may revoke itself.
pub async fn handle(keys: &impl ApiKeys, clock: &impl Clock, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let revocation = Revocation { at: clock.now(), by: request.caller.actor.id.clone() };
    let revoked = revoke_with_descendants(keys, &request.caller.org, &request.key_id()?, &revocation).await?;
    let key = revoked.ok_or(ApplicationError::NotFound("API key"))?;
    Ok(ApiResponse::ok(named("apiKey", view::api_key(&key))))
}
