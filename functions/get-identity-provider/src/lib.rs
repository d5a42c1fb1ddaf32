//! `GET /api/org/identity-provider`: where the people of the organisation sign in.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, named, view};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::ports::IdentityProviders;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint {
    name: "get-identity-provider",
    method: "GET",
    path: "/api/org/identity-provider",
    scope: Some(Scope::ActorsManage),
    query: &[],
};

/// Returns 200 with the provider, without its client secret. Fails with 404 if none is registered.
pub async fn handle(providers: &impl IdentityProviders, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let found = providers.identity_provider(&request.caller.org).await?.ok_or(ApplicationError::NotFound("identity provider"))?;
    Ok(ApiResponse::ok(named("identityProvider", view::identity_provider(&found, &request.base_url()))))
}
