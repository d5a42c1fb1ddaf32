//! The organisation's identity provider, as its client: OIDC Discovery, the code flow with PKCE, and refresh tokens.

use oauth2::basic::{BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet, ExtraTokenFields, HttpRequest,
    HttpResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope, StandardRevocableToken,
    StandardTokenResponse, TokenResponse, TokenUrl,
};
use reqwest::redirect::Policy;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Registration;
use super::tokens::{Claims, Tokens};
use crate::failure::{self, Failure};
use crate::secret::Secret;
use crate::session;
use crate::text::plain;

/// The field of OIDC in a response of the token endpoint.
#[derive(Debug, Serialize, Deserialize)]
struct IdTokenField {
    id_token: Option<Secret>,
}

impl ExtraTokenFields for IdTokenField {}

type Granted = StandardTokenResponse<IdTokenField, BasicTokenType>;
type Client = oauth2::Client<
    BasicErrorResponse,
    Granted,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// What this program reads of a discovery document.
#[derive(Debug, Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    #[serde(default)]
    scopes_supported: Vec<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

/// A provider, and this program as one of its clients.
#[derive(Debug)]
pub struct Provider {
    issuer: String,
    client_id: String,
    client: Client,
    has_offline_access: bool,
    http: reqwest::Client,
}

/// A login that has begun. It is not stored: the process that began it completes it.
pub struct Begun {
    /// The URL at the provider where the person signs in.
    pub url: Url,
    /// The state that the callback must have.
    pub state: String,
    redirect_uri: RedirectUrl,
    nonce: String,
    verifier: PkceCodeVerifier,
}

impl Provider {
    /// Reads the discovery document of the issuer. Fails if it is not there, names another issuer, or has an address that is neither HTTPS nor
    /// of this machine.
    pub async fn discover(registration: &Registration) -> Result<Self, Failure> {
        let Registration { issuer, client_id, client_secret } = registration;
        let url = trusted(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))?;
        // A redirect would bring the code and the secret to an address that the document does not name.
        let http = session::http().redirect(Policy::none()).build().map_err(|error| Failure::here(format!("no HTTP client: {error}")))?;
        let response =
            http.get(url.clone()).send().await.and_then(reqwest::Response::error_for_status).map_err(|error| unreachable(&error))?;
        let document: Document =
            response.json().await.map_err(|_| Failure::usage(format!("{url} is not the document of an identity provider")))?;
        if document.issuer != *issuer {
            return Err(Failure::usage(format!("the document at {url} is of another issuer: {}", plain(&document.issuer))));
        }
        let mut client = oauth2::Client::new(ClientId::new(client_id.clone()))
            .set_auth_uri(AuthUrl::from_url(trusted(&document.authorization_endpoint)?))
            .set_token_uri(TokenUrl::from_url(trusted(&document.token_endpoint)?));
        if let Some(secret) = client_secret {
            client = client.set_client_secret(ClientSecret::new(secret.expose().to_owned()));
        }
        let methods = &document.token_endpoint_auth_methods_supported;
        let has = |method: &str| methods.iter().any(|found| found == method);
        // Without a list it is `client_secret_basic` (OIDC Discovery 1.0, section 3).
        if has("client_secret_post") && !has("client_secret_basic") {
            client = client.set_auth_type(AuthType::RequestBody);
        }
        let has_offline_access = document.scopes_supported.iter().any(|scope| scope == "offline_access");
        Ok(Self { issuer: issuer.clone(), client_id: client_id.clone(), client, has_offline_access, http })
    }

    /// Begins a login whose callback is the redirect URI.
    pub fn begin(&self, redirect_uri: &str) -> Result<Begun, Failure> {
        let redirect_uri = RedirectUrl::new(redirect_uri.to_owned()).map_err(|error| Failure::here(error.to_string()))?;
        let nonce = CsrfToken::new_random().into_secret();
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let scopes = ["openid", "profile", "email"].into_iter().chain(self.has_offline_access.then_some("offline_access"));
        let (url, state) = self
            .client
            .authorize_url(CsrfToken::new_random)
            .add_scopes(scopes.map(|scope| Scope::new(scope.to_owned())))
            .add_extra_param("nonce", &nonce)
            .set_pkce_challenge(challenge)
            .set_redirect_uri(std::borrow::Cow::Borrowed(&redirect_uri))
            .url();
        Ok(Begun { url, state: state.into_secret(), redirect_uri, nonce, verifier })
    }

    /// Exchanges the code for tokens. Fails if the provider refuses it, or if the ID token is of another login.
    pub async fn exchange(&self, begun: Begun, code: String) -> Result<Tokens, Failure> {
        let Begun { redirect_uri, nonce, verifier, .. } = begun;
        let request = self.client.exchange_code(AuthorizationCode::new(code));
        let request = request.set_pkce_verifier(verifier).set_redirect_uri(std::borrow::Cow::Owned(redirect_uri));
        let granted = request.request_async(&|request| send(self.http.clone(), request)).await.map_err(|error| refused(&error))?;
        let (tokens, claims) = self.tokens_of(&granted)?;
        if claims.text("nonce") == Some(&nonce) { Ok(tokens) } else { Err(Failure::not_allowed("the ID token is of another login")) }
    }

    /// Returns new tokens for those of a login. Fails with [`failure::NOT_ALLOWED`] if the provider refuses, or gives no ID token of the same
    /// person.
    pub async fn refresh(&self, old: &Tokens, refresh_token: &Secret) -> Result<Tokens, Failure> {
        let refresh_token = RefreshToken::new(refresh_token.expose().to_owned());
        let request = self.client.exchange_refresh_token(&refresh_token);
        let granted = request.request_async(&|request| send(self.http.clone(), request)).await.map_err(|error| refused(&error))?;
        let (mut tokens, claims) = self.tokens_of(&granted)?;
        if claims.text("sub") != Claims::of(&old.id_token)?.text("sub") {
            return Err(Failure::not_allowed("the new ID token is of another person"));
        }
        tokens.refresh_token = tokens.refresh_token.or_else(|| old.refresh_token.clone());
        Ok(tokens)
    }

    /// Returns the tokens of a response, and the claims of the ID token. Fails if it is of another issuer or for another client.
    fn tokens_of(&self, granted: &Granted) -> Result<(Tokens, Claims), Failure> {
        let id_token = granted.extra_fields().id_token.clone();
        let id_token = id_token.ok_or_else(|| Failure::not_allowed("the identity provider has given no ID token"))?;
        let claims = Claims::of(&id_token)?;
        if claims.text("iss") != Some(&self.issuer) || !claims.is_for(&self.client_id) || claims.text("sub").is_none() {
            return Err(Failure::not_allowed("the ID token is of another issuer, or for another client"));
        }
        let refresh_token = granted.refresh_token().map(|token| Secret::from(token.secret().as_str()));
        Ok((Tokens { expires_at: claims.expires_at()?, id_token, refresh_token }, claims))
    }
}

/// Returns a URL that codes and secrets may be sent to, and that a browser may open: HTTPS, or HTTP on this machine.
fn trusted(url: &str) -> Result<Url, Failure> {
    let is_loopback = |url: &Url| match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let parsed = url.parse::<Url>().ok().filter(|url| url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url)));
    parsed.ok_or_else(|| Failure::usage(format!("the address of the identity provider must be an https URL: {}", plain(url))))
}

async fn send(http: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let response = http.execute(request.try_into()?).await?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut result = HttpResponse::new(response.bytes().await?.to_vec());
    *result.status_mut() = status;
    *result.headers_mut() = headers;
    Ok(result)
}

fn unreachable(error: &reqwest::Error) -> Failure {
    Failure::unavailable(format!("the identity provider could not be reached: {}", failure::causes(error)))
}

/// Returns why no tokens were given. What the provider has sent is in no message but for its error: it may contain tokens.
fn refused(error: &RequestTokenError<reqwest::Error, BasicErrorResponse>) -> Failure {
    match error {
        RequestTokenError::ServerResponse(error) => {
            Failure::not_allowed(format!("the identity provider has refused: {}", plain(&error.to_string())))
        }
        RequestTokenError::Request(error) => unreachable(error),
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            Failure::unavailable("the identity provider has responded in a form that this client does not know")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_a_provider_is_https_or_of_this_machine() {
        for good in ["https://login.example.com/a", "http://127.0.0.1:4569", "http://[::1]:1", "http://localhost:1"] {
            assert!(trusted(good).is_ok(), "{good}");
        }
        for bad in
            ["http://login.example.com", "http://localhost.example.com", "file:///etc/passwd", "login.example.com", "javascript:x", ""]
        {
            assert_eq!(trusted(bad).unwrap_err().code, failure::USAGE, "{bad}");
        }
    }
}
