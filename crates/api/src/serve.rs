//! From a Lambda event to a handler and back: key, scope, answer, log.

use std::future::Future;

use domain::access::ApiKey;
use domain::json::sha256_hex_of;
use domain::ports::{Clock, Keys};
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyResponse;
use lambda_http::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use lambda_http::http::{HeaderMap, HeaderValue};
use lambda_http::request::LambdaRequest;
use lambda_http::{Body, LambdaEvent, Request, RequestExt, lambda_runtime, service_fn, tracing};

use crate::{Call, Endpoint, Error, Refused, Reply};

/// Serves an endpoint until the platform ends the process.
pub async fn serve<K, C, H, F>(endpoint: Endpoint, keys: K, clock: C, handler: H) -> Result<(), Error>
where
    K: Keys,
    C: Clock,
    H: Fn(Call) -> F,
    F: Future<Output = Result<Reply, Refused>>,
{
    tracing::init_default_subscriber();
    // `lambda_http::run` would do, but asks for futures that can move between threads. There is one thread here.
    let service = async |event: LambdaEvent<LambdaRequest>| {
        let request = Request::from(event.payload).with_lambda_context(event.context);
        let (status, body) = answer(&endpoint, &keys, &clock, &handler, request).await;
        Ok::<_, Error>(response(status, &body))
    };
    lambda_runtime::run(service_fn(service)).await
}

/// Answers one request: the part of [`serve`] that a test can call.
pub async fn answer<K, C, H, F>(endpoint: &Endpoint, keys: &K, clock: &C, handler: &H, request: Request) -> (u16, serde_json::Value)
where
    K: Keys,
    C: Clock,
    H: Fn(Call) -> F,
    F: Future<Output = Result<Reply, Refused>>,
{
    let request_id = request.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default();
    let replied = match admit(endpoint, keys, clock, &request).await {
        Ok(key) => handler(Call::new(key, request)).await,
        Err(refused) => Err(refused),
    };
    match replied {
        Ok(reply) => (reply.status(), reply.body().clone()),
        Err(refused) => {
            // Once, and here: what the caller did wrong is no failure of ours.
            if refused.status() >= 500 {
                tracing::error!(endpoint = endpoint.name, request_id, error = %refused, "a call failed");
            }
            (refused.status(), refused.body())
        }
    }
}

async fn admit(endpoint: &Endpoint, keys: &impl Keys, clock: &impl Clock, request: &Request) -> Result<ApiKey, Refused> {
    let secret = bearer(request.headers()).ok_or(Refused::Unauthenticated)?;
    // Found by its hash: nothing compares secrets, so nothing can be learnt from how long it takes.
    let key = keys.key(&sha256_hex_of(secret.as_bytes())).await?;
    let key = key.filter(|key| key.is_valid(clock.now())).ok_or(Refused::Unauthenticated)?;
    if key.allows(endpoint.scope) { Ok(key) } else { Err(Refused::MissingScope(endpoint.scope)) }
}

/// The secret in `Authorization: Bearer qe_sk_<sandbox|live>_<32 base32 characters>`; what has another form is nobody's key
/// and not looked up. Only the header counts: a URL ends up in logs.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, secret) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let secret = secret.trim();
    let random = secret.strip_prefix("qe_sk_sandbox_").or_else(|| secret.strip_prefix("qe_sk_live_"))?;
    let base32 = random.len() == 32 && random.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
    (scheme.eq_ignore_ascii_case("bearer") && base32).then_some(secret)
}

fn response(status: u16, body: &serde_json::Value) -> ApiGatewayProxyResponse {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == 401 {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let mut response = ApiGatewayProxyResponse::default();
    response.status_code = i64::from(status);
    response.headers = headers;
    response.body = Some(Body::Text(body.to_string()));
    response
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
}
