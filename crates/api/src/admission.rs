//! The admission of a call: which caller it is from, what the key allows, and how often.

use std::cell::RefCell;
use std::future::Future;

use domain::access::{Caller, Limits, Minute, SECRET_MARK, Secret, Usage};
use domain::ports::{Admission, Clock, Keys};
use domain::time::Time;
use lambda_http::http::HeaderMap;
use lambda_http::http::header::AUTHORIZATION;
use lambda_http::{Request, RequestExt};

use crate::query::check_query;
use crate::throttle_cache::ThrottleCache;
use crate::{ApiError, ApiRequest, ApiResponse, Endpoint, HttpResponse};

/// Admits calls to the handler of one endpoint. It is created once for each process.
#[derive(Debug)]
pub struct KeyAdmission<K, C> {
    endpoint: Endpoint,
    keys: K,
    clock: C,
    limits: Limits,
    throttled: RefCell<ThrottleCache>,
}

impl<K: Keys, C: Clock> KeyAdmission<K, C> {
    /// Returns the admission of `endpoint`. `limits` apply to every key that has no limits of its own.
    pub fn new(endpoint: Endpoint, keys: K, clock: C, limits: Limits) -> Self {
        Self { endpoint, keys, clock, limits, throttled: RefCell::default() }
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

    /// Returns the authenticated request if the key is valid and allows the call. Sets `usage` as soon as the key is known.
    async fn admit(&self, request: Request, now: Time, usage: &mut Option<Usage>) -> Result<ApiRequest, ApiError> {
        // A URL ends up in logs and histories, so a key in a URL is compromised: it is refused even next to a valid header.
        if query_contains_secret(&request) {
            return Err(ApiError::Unauthenticated);
        }
        // A text without the form of a key is not looked up.
        let secret = bearer(request.headers()).ok_or(ApiError::Unauthenticated)?;
        // Keys are found by their hash. Nothing compares secrets, so the time that it takes reveals nothing.
        let hash = secret.sha256();
        let bucket = self.endpoint.bucket();
        if let Some(known) = self.throttled.borrow().get(&hash, bucket, Minute::of(now)) {
            *usage = Some(known);
            return Err(ApiError::RateLimited(known));
        }
        match self.keys.admit(&hash, bucket, self.limits, now).await? {
            Admission::Unknown => Err(ApiError::Unauthenticated),
            Admission::Exhausted(found) => {
                *usage = Some(found);
                self.throttled.borrow_mut().note(hash, found);
                Err(ApiError::RateLimited(found))
            }
            Admission::Admitted(key, found) => {
                *usage = Some(found);
                let caller = Caller::of_key(key, &secret);
                if let Some(missing) = self.endpoint.missing_scope(&caller) {
                    return Err(ApiError::MissingScope(missing));
                }
                check_query(&request, self.endpoint.query)?;
                Ok(ApiRequest::new(caller, request))
            }
        }
    }
}

/// Returns the secret in `Authorization: Bearer …`. Only the header counts.
fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let (scheme, secret) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let secret = secret.trim().parse().ok()?;
    scheme.eq_ignore_ascii_case("bearer").then_some(secret)
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

    #[test]
    fn only_a_bearer_of_the_right_form_is_looked_up() {
        let secret = format!("qe_sk_sandbox_{}", "a2".repeat(16));
        for good in [format!("Bearer {secret}"), format!("bearer {secret}"), format!("Bearer qe_sk_live_{}", "b7".repeat(16))] {
            assert!(bearer(&headers(&good)).is_some(), "{good}");
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
            assert!(bearer(&headers(&bad)).is_none(), "{bad}");
        }
        assert!(bearer(&HeaderMap::new()).is_none());
    }
}
