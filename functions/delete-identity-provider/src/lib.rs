//! `DELETE /api/org/identity-provider`: nobody of the organisation signs in any more.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, named, view};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::ports::{Clock, CommitError, IdentityProviders, Sessions};

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint {
    name: "delete-identity-provider",
    method: "DELETE",
    path: "/api/org/identity-provider",
    scope: Some(Scope::ActorsManage),
    query: &[],
};

/// Returns 200 with the provider that was deleted, and ends all sessions of the organisation. A process that has used the provider may accept
/// its tokens for a minute more. Fails with 404 if none is registered, and with 409 if another caller changes it at the same time.
pub async fn handle(store: &(impl IdentityProviders + Sessions), clock: &impl Clock, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let org = request.caller.org;
    let found = store.identity_provider(&org).await?.ok_or(ApplicationError::NotFound("identity provider"))?;
    match store.delete_identity_provider(&found).await {
        Ok(()) => {}
        Err(CommitError::Changed) => {
            return Err(ApplicationError::Conflict("the identity provider was changed at the same time; read it again".to_owned()).into());
        }
        Err(CommitError::Port(error)) => return Err(error.into()),
    }
    let now = clock.now();
    for session in store.sessions(&org).await? {
        store.end_session(&org, &session.id, now).await?;
    }
    Ok(ApiResponse::ok(named("identityProvider", view::identity_provider(&found, &request.base_url()))))
}
