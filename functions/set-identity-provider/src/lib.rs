//! `PUT /api/org/identity-provider`: registers where the people of the organisation sign in.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, named, view};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::login::{IdentityProvider, NewProvider};
use domain::network::PrivateNetworks;
use domain::ports::{Clock, CommitError, IdentityProviders, Vault};
use domain::problem::FieldErrors;
use login::{DiscoveryError, Web, discover};

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint {
    name: "set-identity-provider",
    method: "PUT",
    path: "/api/org/identity-provider",
    scope: Some(Scope::ActorsManage),
    query: &[],
};

/// The maximum size of the body, in bytes.
const MAX_BYTES: usize = 32 * 1024;

/// Returns 200 with the provider, without its client secret. The secret that is registered stays if none is sent and issuer and client are the
/// same. Fails with 400 and every problem at its field, with 422 if the provider cannot be asked about itself or a role gets a scope that
/// the caller lacks, and with 409 if another organisation has registered the issuer with one of the audiences.
pub async fn handle(
    store: &(impl IdentityProviders + PrivateNetworks),
    vault: &impl Vault,
    web: &Web,
    clock: &impl Clock,
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let caller = &request.caller;
    let new = NewProvider::parse(&request.json_object(MAX_BYTES)?, |url| web.url_problem(url))?;
    new.must_be_covered_by(caller)?;
    let discovered = discover(web, store, &caller.org, &new.issuer).await.map_err(|error| match error {
        DiscoveryError::Unusable(why) => {
            let fields = FieldErrors::one("issuer", why);
            ApiError::from(ApplicationError::Unprocessable { message: "the identity provider cannot be used".to_owned(), fields })
        }
        DiscoveryError::Port(error) => error.into(),
    })?;
    let before = store.identity_provider(&caller.org).await?;
    let secret = if let Some(secret) = &new.client_secret {
        Some(vault.seal(&IdentityProvider::place_of(caller.org), secret).await?)
    } else {
        new.kept_secret(before.as_ref())
    };
    let provider = new.with(caller.org, secret, discovered, caller.environment, (clock.now(), caller.actor.recorded()));
    match store.put_identity_provider(&provider, before.as_ref()).await {
        Ok(()) => Ok(ApiResponse::ok(named("identityProvider", view::identity_provider(&provider, &request.base_url())))),
        Err(CommitError::Changed) => {
            let message = "the issuer is registered with this client or audience already, or the registration was changed at the same time";
            Err(ApplicationError::Conflict(message.to_owned()).into())
        }
        Err(CommitError::Port(error)) => Err(error.into()),
    }
}
