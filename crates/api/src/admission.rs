//! The admission of a call: which caller it is from, what the key allows, and how often.

use std::cell::RefCell;
use std::future::Future;

use domain::access::{Caller, Limits, Minute, SECRET_MARK, Secret, Usage};
use domain::error::ApplicationError;
use domain::json::sha256_hex_of;
use domain::login::SessionSecret;
use domain::network::PrivateNetworks;
use domain::ports::{Admission, Clock, Counted, Keys, Logins, SessionAdmission};
use domain::time::Time;
use lambda_http::http::header::AUTHORIZATION;
use lambda_http::http::{HeaderMap, Method};
use lambda_http::{Request, RequestExt, tracing};
use login::{TokenError, TokenVerifier, Web};

use crate::cookies::{CONSOLE_HEADER, SESSION_COOKIE, cookie};
use crate::query::check_query;
use crate::throttle_cache::ThrottleCache;
use crate::{ApiError, ApiRequest, ApiResponse, Endpoint, HttpResponse};

/// Admits calls to the handler of one endpoint: by a key, by a token of an identity provider, or by the cookie of a session. It is created
/// once for each process.
#[derive(Debug)]
pub struct KeyAdmission<K, C> {
    endpoint: Endpoint,
    store: K,
    tokens: TokenVerifier,
    clock: C,
    limits: Limits,
    throttled: RefCell<ThrottleCache>,
}

impl<K: Keys + Logins + PrivateNetworks, C: Clock> KeyAdmission<K, C> {
    /// Returns the admission of `endpoint`, which fetches the keys of identity providers from public addresses alone. `limits` apply to
    /// every caller that has no limits of its own.
    pub fn new(endpoint: Endpoint, store: K, clock: C, limits: Limits) -> Self {
        Self { endpoint, store, tokens: TokenVerifier::new(Web::default()), clock, limits, throttled: RefCell::default() }
    }

    /// Returns the admission with another verifier of tokens.
    #[must_use]
    pub fn with_tokens(self, tokens: TokenVerifier) -> Self {
        Self { tokens, ..self }
    }

    /// Returns the response to one request: that of the handler, if the call is admitted.
    pub async fn respond<F>(&self, handler: &impl Fn(ApiRequest) -> F, request: Request) -> HttpResponse
    where
        F: Future<Output = Result<ApiResponse, ApiError>>,
    {
        let request_id = request.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default();
        let now = self.clock.now();
        let mut usage = None;
        let result = match self.admit(request, now, &mut usage).await {
            Ok(admitted) => handler(admitted).await,
            Err(error) => Err(error),
        };
        let response = HttpResponse::of(result, self.endpoint.name, &request_id).with_scheme("Bearer");
        match usage {
            Some(usage) => response.with_usage(usage, now),
            None => response,
        }
    }

    /// Returns the authenticated request if the credential is valid and allows the call. Sets `usage` as soon as the caller is known.
    async fn admit(&self, request: Request, now: Time, usage: &mut Option<Usage>) -> Result<ApiRequest, ApiError> {
        // A URL ends up in logs and histories, so a key in a URL is compromised: it is refused even next to a valid header.
        if query_contains_secret(&request) {
            return Err(ApiError::Unauthenticated);
        }
        let caller = match credential(&request)? {
            Sent::Key(secret) => self.by_key(&secret, now, usage).await?,
            // In a box: it is rare, and what it may do would make every request's future larger.
            Sent::Token(token) => Box::pin(self.by_token(&token, now, usage)).await?,
            Sent::Cookie(secret) => self.by_session(&secret, now, usage).await?,
        };
        if let Some(missing) = self.endpoint.missing_scope(&caller) {
            return Err(ApiError::MissingScope(missing));
        }
        check_query(&request, self.endpoint.query)?;
        Ok(ApiRequest::new(caller, request))
    }

    async fn by_key(&self, secret: &Secret, now: Time, usage: &mut Option<Usage>) -> Result<Caller, ApiError> {
        // Keys are found by their hash. Nothing compares secrets, so the time that it takes reveals nothing.
        let hash = secret.sha256();
        let bucket = self.endpoint.bucket();
        self.must_not_be_throttled(&hash, now, usage)?;
        match self.store.admit(&hash, bucket, self.limits, now).await? {
            Admission::Unknown => Err(ApiError::Unauthenticated),
            Admission::Exhausted(found) => Err(self.exhausted(hash, found, usage)),
            Admission::Admitted(key, found) => {
                *usage = Some(found);
                Ok(Caller::of_key(key, secret))
            }
        }
    }

    /// The requests of a person are counted on the login: however many tokens somebody gets, the limit is one.
    async fn by_token(&self, token: &str, now: Time, usage: &mut Option<Usage>) -> Result<Caller, ApiError> {
        let accepted = self.tokens.verify(&self.store, token, now).await.map_err(|error| match error {
            TokenError::Port(error) => ApiError::from(error),
            TokenError::Refused(why) => {
                tracing::info!(endpoint = self.endpoint.name, why, "a token was refused");
                ApiError::Unauthenticated
            }
        })?;
        let provider = accepted.provider;
        let login = format!("{}\n{}\n{}", provider.org, provider.issuer, accepted.person.actor.id);
        let hash = sha256_hex_of(login.as_bytes());
        self.must_not_be_throttled(&hash, now, usage)?;
        match self.store.count_login(&hash, self.endpoint.bucket(), self.limits, now).await? {
            Counted::Exhausted(found) => Err(self.exhausted(hash, found, usage)),
            Counted::Admitted(found) => {
                *usage = Some(found);
                Ok(Caller::of_token(accepted.person, &provider))
            }
        }
    }

    async fn by_session(&self, secret: &SessionSecret, now: Time, usage: &mut Option<Usage>) -> Result<Caller, ApiError> {
        let hash = secret.sha256();
        self.must_not_be_throttled(&hash, now, usage)?;
        match self.store.admit_session(&hash, self.endpoint.bucket(), self.limits, now).await? {
            SessionAdmission::Unknown => Err(ApiError::Unauthenticated),
            SessionAdmission::Exhausted(found) => Err(self.exhausted(hash, found, usage)),
            SessionAdmission::Admitted(session, found) => {
                *usage = Some(found);
                Ok(Caller::of_session(session))
            }
        }
    }

    fn must_not_be_throttled(&self, hash: &str, now: Time, usage: &mut Option<Usage>) -> Result<(), ApiError> {
        let known = self.throttled.borrow().get(hash, self.endpoint.bucket(), Minute::of(now));
        known.map_or(Ok(()), |known| {
            *usage = Some(known);
            Err(ApiError::RateLimited(known))
        })
    }

    fn exhausted(&self, hash: String, found: Usage, usage: &mut Option<Usage>) -> ApiError {
        *usage = Some(found);
        self.throttled.borrow_mut().note(hash, found);
        ApiError::RateLimited(found)
    }
}

/// The credential of a request.
enum Sent {
    Key(Secret),
    Token(String),
    Cookie(SessionSecret),
}

/// Returns the credential of a request: that of the header `Authorization`, or else the cookie of a session. A text without the form of one
/// of them is not looked up.
///
/// A browser sends a cookie with whatever request a page makes, also the page of somebody else. So a request that may change something
/// needs a header beside the cookie that a page of another origin cannot set: the browser would ask first (CORS), and no answer allows it.
fn credential(request: &Request) -> Result<Sent, ApiError> {
    let headers = request.headers();
    if headers.contains_key(AUTHORIZATION) {
        let text = bearer_text(headers).ok_or(ApiError::Unauthenticated)?;
        if let Ok(secret) = text.parse() {
            return Ok(Sent::Key(secret));
        }
        return if TokenVerifier::is_token(text) { Ok(Sent::Token(text.to_owned())) } else { Err(ApiError::Unauthenticated) };
    }
    let secret: Option<SessionSecret> = cookie(headers, SESSION_COOKIE).and_then(|value| value.parse().ok());
    let secret = secret.ok_or(ApiError::Unauthenticated)?;
    let is_safe = [Method::GET, Method::HEAD].contains(request.method());
    if !is_safe && headers.get(CONSOLE_HEADER).is_none_or(|value| value != "1") {
        return Err(ApplicationError::Forbidden(format!("a request with a session needs the header {CONSOLE_HEADER}: 1")).into());
    }
    Ok(Sent::Cookie(secret))
}

/// Returns the text in `Authorization: Bearer …`.
fn bearer_text(headers: &HeaderMap) -> Option<&str> {
    let (scheme, text) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| text.trim())
}

/// Returns whether the query contains a key. API Gateway passes its parameters on decoded.
fn query_contains_secret(request: &Request) -> bool {
    let is_secret = |(name, value): (&str, &str)| name.contains(SECRET_MARK) || value.contains(SECRET_MARK);
    request.query_string_parameters_ref().is_some_and(|parameters| parameters.iter().any(is_secret))
}

#[cfg(test)]
mod tests {
    use lambda_http::http::HeaderValue;

    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).unwrap())])
    }

    fn sent(headers: &HeaderMap) -> Option<Sent> {
        let mut request = Request::default();
        *request.headers_mut() = headers.clone();
        credential(&request).ok()
    }

    #[test]
    fn only_a_bearer_of_the_right_form_is_looked_up() {
        let secret = format!("qe_sk_sandbox_{}", "a2".repeat(16));
        for good in [format!("Bearer {secret}"), format!("bearer {secret}"), format!("Bearer qe_sk_live_{}", "b7".repeat(16))] {
            assert!(sent(&headers(&good)).is_some(), "{good}");
        }
        for bad in [
            secret.clone(),
            format!("Basic {secret}"),
            format!("Bearer {secret}a"),
            format!("Bearer {}", secret.to_uppercase()),
            format!("Bearer qe_sk_test_{}", "a2".repeat(16)),
            "Bearer ".to_owned(),
            "Bearer".to_owned(),
        ] {
            assert!(sent(&headers(&bad)).is_none(), "{bad}");
        }
        assert!(sent(&HeaderMap::new()).is_none());
    }

    #[test]
    fn a_cookie_changes_nothing_without_the_header_that_no_other_page_can_send() {
        let secret = SessionSecret::new([1, 2]);
        let request = |method: Method, header: Option<&str>| {
            let mut request = Request::default();
            *request.method_mut() = method;
            let cookie = format!("a=b; {SESSION_COOKIE}={}; other=1", secret.reveal());
            request.headers_mut().insert("cookie", HeaderValue::from_str(&cookie).unwrap());
            if let Some(value) = header {
                request.headers_mut().insert(CONSOLE_HEADER, HeaderValue::from_str(value).unwrap());
            }
            credential(&request)
        };
        assert!(matches!(request(Method::GET, None), Ok(Sent::Cookie(found)) if found == secret));
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
            for header in [None, Some("0"), Some("true")] {
                assert_eq!(request(method.clone(), header).err().unwrap().status(), 403, "{method} {header:?}");
            }
            assert!(request(method, Some("1")).is_ok());
        }
    }

    #[test]
    fn a_header_counts_before_a_cookie() {
        let mut request = Request::default();
        let cookie = format!("{SESSION_COOKIE}={}", SessionSecret::new([1, 2]).reveal());
        request.headers_mut().insert("cookie", HeaderValue::from_str(&cookie).unwrap());
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer nonsense"));
        assert!(matches!(credential(&request), Err(ApiError::Unauthenticated)));
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer eyJh.eyJp.c2ln"));
        assert!(matches!(credential(&request), Ok(Sent::Token(token)) if token == "eyJh.eyJp.c2ln"));
    }
}
