//! `GET /api/auth/callback`: completes a login that this browser has begun.

use std::rc::Rc;

use api::{ApiError, ApiResponse, LOGIN_COOKIE, PublicEndpoint, PublicRequest, SESSION_COOKIE, forget_cookie, set_cookie};
use domain::id::SessionId;
use domain::login::{ABSOLUTE_SECONDS, IDLE_SECONDS, IdentityProvider, Session, SessionSecret};
use domain::network::PrivateNetworks;
use domain::ports::{Clock, CommitError, Entropy, IdentityProviders, PortError, Sessions, Vault};
use login::code_flow::{Begun, FlowError};
use login::{TokenVerifier, Web};

/// This endpoint. A provider may add parameters of its own, so none is refused here that it is known to send.
pub const ENDPOINT: PublicEndpoint = PublicEndpoint {
    name: "complete-login",
    method: "GET",
    path: "/api/auth/callback",
    query: &["code", "state", "error", "error_description", "error_uri", "iss", "session_state", "scope", "authuser", "hd", "prompt"],
};

const MAX_AGENT_CHARS: usize = 200;

/// Returns 302 to the page of the console at which the login began, with the cookie of a new session. Fails with 400 if this browser has not
/// begun the login, or the provider does not confirm it. Nothing that was sent is in the answer.
pub async fn handle(
    store: &(impl IdentityProviders + Sessions + PrivateNetworks),
    vault: &impl Vault,
    (web, tokens): (&Web, &TokenVerifier),
    (clock, entropy): (&impl Clock, &impl Entropy),
    request: PublicRequest,
) -> Result<ApiResponse, ApiError> {
    let (now, base) = (clock.now(), request.base_url());
    let begun = Begun::from_cookie(request.cookie(LOGIN_COOKIE), request.query("state"), now).map_err(refused)?;
    let (None, Some(code)) = (request.query("error"), request.query("code")) else { return Err(refused(FlowError::Denied)) };
    let provider = store.identity_provider(&begun.org()).await?.ok_or_else(|| refused(FlowError::NotBegun))?;
    let secret = match &provider.client_secret {
        Some(sealed) => Some(vault.open(&IdentityProvider::place_of(provider.org), sealed).await?),
        None => None,
    };
    let (provider, callback) = (Rc::new(provider), base.url("/api/auth/callback"));
    let completed = begun.complete((web, tokens), store, (&provider, secret.as_ref()), (code, &callback), now).await;
    let person = completed.map_err(refused)?.person;
    let session = Session {
        id: SessionId::new(now, entropy.random()),
        org: provider.org,
        actor: person.actor,
        grants: person.grants,
        environment: provider.environment,
        user_agent: request
            .header("user-agent")
            .map(|agent| agent.chars().filter(|char| !char.is_control()).take(MAX_AGENT_CHARS).collect()),
        last_used_at: now,
        idle_until: now.plus_seconds(IDLE_SECONDS),
        valid_until: now.plus_seconds(ABSOLUTE_SECONDS),
        ended_at: None,
    };
    let secret = SessionSecret::new([entropy.random(), entropy.random()]);
    store.create_session(&session, &secret.sha256()).await.map_err(|error| match error {
        // The random numbers repeated those of another session.
        CommitError::Changed => PortError::Unavailable(format!("{} or its secret is taken", session.id)),
        CommitError::Port(error) => error,
    })?;
    let cookie = set_cookie(SESSION_COOKIE, secret.reveal(), &base.path("/"), ABSOLUTE_SECONDS);
    let forget = forget_cookie(LOGIN_COOKIE, &base.path("/api/auth"));
    Ok(ApiResponse::redirect(base.path(begun.redirect().as_str())).with_cookie(cookie).with_cookie(forget))
}

/// Returns the error for the browser. What the provider has said is for the log.
fn refused(error: FlowError) -> ApiError {
    match error {
        FlowError::Port(error) => error.into(),
        error => {
            if let FlowError::NotConfirmed(why) = &error {
                tracing::warn!(why, "a login was not confirmed");
            }
            ApiError::LoginRefused(error.to_string())
        }
    }
}
