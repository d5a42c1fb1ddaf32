//! The door of a function: who is let in, how often, and what every answer carries.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;

use domain::access::{Bucket, Limits, Minute, SECRET_MARK, Secret, Usage};
use domain::ports::{Admission, Clock, Keys};
use domain::time::Time;
use lambda_http::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use lambda_http::http::{HeaderMap, HeaderName, HeaderValue};
use lambda_http::{Request, RequestExt, tracing};
use serde_json::Value;

use crate::{ApiError, Call, Endpoint, Reply};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// An answer as it is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The rate limit's headers are there whenever the caller showed a key that works, whatever became of the call.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Value,
}

/// Stands before the handler of one endpoint, for as long as the process lives.
#[derive(Debug)]
pub struct KeyAdmission<K, C> {
    endpoint: Endpoint,
    keys: K,
    clock: C,
    limits: Limits,
    exhausted: RefCell<ThrottleCache>,
}

impl<K: Keys, C: Clock> KeyAdmission<K, C> {
    /// The door of `endpoint`; `limits` hold for every key that has none of its own.
    pub fn new(endpoint: Endpoint, keys: K, clock: C, limits: Limits) -> Self {
        Self { endpoint, keys, clock, limits, exhausted: RefCell::default() }
    }

    /// Answers one request.
    pub async fn answer<F>(&self, handler: &impl Fn(Call) -> F, request: Request) -> Answer
    where
        F: Future<Output = Result<Reply, ApiError>>,
    {
        let request_id = request.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default();
        let now = self.clock.now();
        let mut usage = None;
        let replied = match self.admit(request, now, &mut usage).await {
            Ok(call) => handler(call).await,
            Err(refused) => Err(refused),
        };
        let (status, body) = match replied {
            Ok(reply) => (reply.status(), reply.body().clone()),
            Err(refused) => {
                // Once, and here: what the caller did wrong is no failure of ours.
                if refused.status() >= 500 {
                    tracing::error!(endpoint = self.endpoint.name, request_id, error = %refused, "a call failed");
                }
                (refused.status(), refused.body())
            }
        };
        Answer { status, headers: headers(status, usage, now), body }
    }

    /// The call, if its key is good and allows it. `usage` is filled in as soon as it is known whose it is.
    async fn admit(&self, request: Request, now: Time, usage: &mut Option<Usage>) -> Result<Call, ApiError> {
        // A URL ends up in logs and histories, so a key in one is given away: it opens nothing, not even beside a good header.
        if shows_secret(&request) {
            return Err(ApiError::Unauthenticated);
        }
        // What has not the form of a key is nobody's, and not looked up.
        let secret = bearer(request.headers()).ok_or(ApiError::Unauthenticated)?;
        // Found by its hash: nothing compares secrets, so nothing can be learnt from how long it takes.
        let hash = secret.sha256();
        let bucket = self.endpoint.bucket();
        if let Some(known) = self.exhausted.borrow().get(&hash, bucket, Minute::of(now)) {
            *usage = Some(known);
            return Err(ApiError::RateLimited(known));
        }
        match self.keys.admit(&hash, bucket, self.limits, now).await? {
            Admission::Unknown => Err(ApiError::Unauthenticated),
            Admission::Exhausted(found) => {
                *usage = Some(found);
                self.exhausted.borrow_mut().note(hash, found);
                Err(ApiError::RateLimited(found))
            }
            Admission::Admitted(key, found) => {
                *usage = Some(found);
                let scope = self.endpoint.scope;
                if key.allows(scope) { Ok(Call::new(key, secret.environment(), request)) } else { Err(ApiError::MissingScope(scope)) }
            }
        }
    }
}

/// The secret in `Authorization: Bearer …`. Only the header counts.
fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let (scheme, secret) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let secret = secret.trim().parse().ok()?;
    scheme.eq_ignore_ascii_case("bearer").then_some(secret)
}

/// Whether a key stands in the query; API Gateway hands its parameters over decoded.
fn shows_secret(request: &Request) -> bool {
    let shows = |(name, value): (&str, &str)| name.contains(SECRET_MARK) || value.contains(SECRET_MARK);
    request.query_string_parameters_ref().is_some_and(|parameters| parameters.iter().any(shows))
}

pub(crate) fn headers(status: u16, usage: Option<Usage>, now: Time) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == 401 {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(usage) = usage {
        headers.insert(LIMIT, usage.limit.into());
        headers.insert(REMAINING, usage.remaining().into());
        headers.insert(RESET, usage.minute.end().seconds().into());
        if status == 429 {
            headers.insert(RETRY_AFTER, now.seconds_until(usage.minute.end()).into());
        }
    }
    headers
}

/// Keys that a process remembers to have refused.
const MAX_EXHAUSTED: usize = 1_000;

/// Who has used up a limit in the present minute, as far as this process was told: asking again would cost a write and give the
/// same answer. Nothing but refusals are remembered, so nobody gets in who should not.
#[derive(Debug, Default)]
struct ThrottleCache {
    minute: Option<Minute>,
    keys: HashMap<(String, Bucket), Usage>,
}

impl ThrottleCache {
    fn get(&self, hash: &str, bucket: Bucket, minute: Minute) -> Option<Usage> {
        let known = self.minute == Some(minute);
        known.then(|| self.keys.get(&(hash.to_owned(), bucket)).copied()).flatten()
    }

    fn note(&mut self, hash: String, usage: Usage) {
        if self.minute != Some(usage.minute) {
            self.minute = Some(usage.minute);
            self.keys.clear();
        }
        if self.keys.len() < MAX_EXHAUSTED {
            self.keys.insert((hash, usage.bucket), usage);
        }
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn what_a_process_remembers_is_bounded_and_forgotten_with_the_minute() {
        let bucket = Bucket::of(domain::access::Scope::RunsRead, false);
        let usage = |minute| Usage { bucket, limit: 1, used: 1, minute: Minute::from_number(minute) };
        let mut exhausted = ThrottleCache::default();
        for number in 0..MAX_EXHAUSTED + 5 {
            exhausted.note(number.to_string(), usage(7));
        }
        assert_eq!(exhausted.keys.len(), MAX_EXHAUSTED);
        assert_eq!(exhausted.get("0", bucket, Minute::from_number(7)), Some(usage(7)));
        assert_eq!(exhausted.get("0", bucket, Minute::from_number(8)), None);
        exhausted.note("other".to_owned(), usage(8));
        assert_eq!(exhausted.keys.len(), 1);
    }
}
