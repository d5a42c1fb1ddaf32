//! The authorisation code flow of a browser, with PKCE (RFC 7636).

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::id::OrgId;
use domain::login::{ConsolePath, IdentityProvider};
use domain::network::PrivateNetworks;
use domain::ports::PortError;
use domain::time::Time;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::verifier::{Accepted, TokenError, TokenVerifier};
use crate::web::{Web, WebError};

/// How long a login may take, in seconds.
pub const LOGIN_SECONDS: u64 = 600;
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A login that has begun. It is in a cookie of the browser, so that only the browser that began it can complete it. Nothing in it is a
/// secret from that browser, and nothing that it changes there helps: the provider checks the verifier, and the token has the nonce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    org: OrgId,
    state: String,
    nonce: String,
    verifier: String,
    redirect: String,
    until: u64,
}

/// Why a login was not completed.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// The browser has not begun this login, or too long ago.
    #[error("this browser has not begun this login, or more than ten minutes ago; sign in again")]
    NotBegun,
    /// The provider has not let the person in.
    #[error("the identity provider has refused the login")]
    Denied,
    /// The provider has given no token, or one that is not accepted; the text is for the log.
    #[error("the identity provider has not confirmed the login")]
    NotConfirmed(String),
    /// A port failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl Begun {
    /// Begins a login. `random` are four numbers for the state and the nonce, and the verifier takes four more.
    pub fn new(org: OrgId, redirect: &ConsolePath, random: [u128; 6], now: Time) -> Self {
        let [state, state_2, nonce, nonce_2, verifier, verifier_2] = random;
        let text = |one: u128, two: u128| URL_SAFE_NO_PAD.encode([one.to_be_bytes(), two.to_be_bytes()].concat());
        let until = now.plus_seconds(LOGIN_SECONDS).seconds();
        let (state, nonce, verifier) = (text(state, state_2), text(nonce, nonce_2), text(verifier, verifier_2));
        Self { org, state, nonce, verifier, redirect: redirect.to_string(), until }
    }

    /// Returns the value of the cookie.
    pub fn to_cookie(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads the cookie that came with a callback. Fails if there is none, if it is too old, or if `state` is of another login.
    pub fn from_cookie(cookie: Option<&str>, state: Option<&str>, now: Time) -> Result<Self, FlowError> {
        let decoded = cookie.and_then(|cookie| URL_SAFE_NO_PAD.decode(cookie).ok());
        let begun: Self = decoded.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or(FlowError::NotBegun)?;
        let is_this = state.is_some_and(|state| !state.is_empty() && state == begun.state);
        if is_this && now.seconds() < begun.until { Ok(begun) } else { Err(FlowError::NotBegun) }
    }

    /// Returns the organisation of the login.
    pub fn org(&self) -> OrgId {
        self.org
    }

    /// Returns where the browser goes afterwards. The cookie is checked like every input.
    pub fn redirect(&self) -> ConsolePath {
        self.redirect.parse().unwrap_or_default()
    }

    /// Returns the URL at the provider where the person signs in.
    pub fn authorization_url(&self, provider: &IdentityProvider, callback: &str) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.as_bytes()));
        let query = form(&[
            ("response_type", "code"),
            ("client_id", &provider.client_id),
            ("redirect_uri", callback),
            ("scope", "openid profile email"),
            ("state", &self.state),
            ("nonce", &self.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let endpoint = &provider.discovered.authorization_endpoint;
        format!("{endpoint}{}{query}", if endpoint.contains('?') { '&' } else { '?' })
    }

    /// Exchanges the code for a token, and verifies it.
    pub async fn complete(
        &self,
        (web, verifier): (&Web, &TokenVerifier),
        networks: &impl PrivateNetworks,
        (provider, client_secret): (&Rc<IdentityProvider>, Option<&SecretString>),
        (code, callback): (&str, &str),
        now: Time,
    ) -> Result<Accepted, FlowError> {
        let body = form(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", callback),
            ("client_id", &provider.client_id),
            ("code_verifier", &self.verifier),
        ]);
        let basic = client_secret.map(|secret| {
            let pair = format!("{}:{}", encoded(&provider.client_id), encoded(secret.expose_secret()));
            format!("Basic {}", STANDARD.encode(pair))
        });
        let endpoint = &provider.discovered.token_endpoint;
        let answer = web.post_form(networks, &provider.org, endpoint, &body, basic.as_deref()).await.map_err(|error| match error {
            WebError::Port(error) => FlowError::Port(error),
            why => FlowError::NotConfirmed(format!("the code was not exchanged: {why}")),
        })?;
        let token = answer.get("id_token").and_then(Value::as_str);
        let token = token.ok_or_else(|| FlowError::NotConfirmed("the answer has no ID token".to_owned()))?;
        let accepted = verifier.verify_of(networks, provider, token, now).await.map_err(|error| match error {
            TokenError::Port(error) => FlowError::Port(error),
            refused @ TokenError::Refused(_) => FlowError::NotConfirmed(refused.to_string()),
        })?;
        if accepted.claims.get("nonce").and_then(Value::as_str) != Some(self.nonce.as_str()) {
            return Err(FlowError::NotConfirmed("the token is of another login".to_owned()));
        }
        Ok(accepted)
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// Returns names and values as a form, or a query.
fn form(pairs: &[(&str, &str)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}
