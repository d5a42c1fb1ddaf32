//! `GET /api/auth/login`: sends a browser to the identity provider of an organisation.

use api::{ApiError, ApiResponse, LOGIN_COOKIE, PublicEndpoint, PublicRequest, set_cookie};
use domain::error::ApplicationError;
use domain::id::OrgId;
use domain::login::ConsolePath;
use domain::ports::{Clock, Entropy, IdentityProviders};
use domain::problem::FieldErrors;
use login::code_flow::{Begun, LOGIN_SECONDS};

/// This endpoint.
pub const ENDPOINT: PublicEndpoint =
    PublicEndpoint { name: "begin-login", method: "GET", path: "/api/auth/login", query: &["organisation", "redirect"] };

/// Returns 302 to the provider, and a cookie without which the login cannot be completed. `redirect` is where the browser goes afterwards: a
/// path of the console, and nothing else. Without `organisation` there must be exactly one that has a provider. Fails with 404 if there is
/// none, whatever the reason is.
pub async fn handle(
    providers: &impl IdentityProviders,
    clock: &impl Clock,
    entropy: &impl Entropy,
    request: PublicRequest,
) -> Result<ApiResponse, ApiError> {
    let redirect: ConsolePath = match request.query("redirect") {
        None => ConsolePath::default(),
        Some(text) => text.parse().map_err(|why| FieldErrors::one("redirect", why))?,
    };
    let none = || ApplicationError::NotFound("identity provider");
    let org: OrgId = match request.query("organisation") {
        Some(text) => text.parse().map_err(|_| none())?,
        None => providers.only_identity_provider().await?.ok_or_else(none)?,
    };
    let provider = providers.identity_provider(&org).await?.ok_or_else(none)?;
    let random = [(); 6].map(|()| entropy.random());
    let begun = Begun::new(org, &redirect, random, clock.now());
    let base = request.base_url();
    let url = begun.authorization_url(&provider, &base.url("/api/auth/callback"));
    let cookie = set_cookie(LOGIN_COOKIE, &begun.to_cookie(), &base.path("/api/auth"), LOGIN_SECONDS);
    Ok(ApiResponse::redirect(url).with_cookie(cookie))
}
