//! The loop of a function that serves an endpoint whose callers are known.

use std::future::Future;

use domain::access::Limits;
use domain::network::PrivateNetworks;
use domain::ports::{Clock, Keys, Logins};
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyResponse;
use lambda_http::request::LambdaRequest;
use lambda_http::{LambdaEvent, Request, RequestExt, lambda_runtime, service_fn, tracing};
use login::{TokenVerifier, Web};
use runtime::parsed_setting;

use crate::{ApiError, ApiRequest, ApiResponse, Endpoint, Error, KeyAdmission};

/// Serves an endpoint until the platform ends the process. The default rate limits come from the environment: `RATE_LIMIT_READS` and
/// `RATE_LIMIT_WRITES`, in calls per minute. Fails if one of them is missing or is not a number.
pub async fn serve<K, C, H, F>(endpoint: Endpoint, store: K, clock: C, handler: H) -> Result<(), Error>
where
    K: Keys + Logins + PrivateNetworks,
    C: Clock,
    H: Fn(ApiRequest) -> F,
    F: Future<Output = Result<ApiResponse, ApiError>>,
{
    tracing::init_default_subscriber();
    let limits = Limits { reads: parsed_setting("RATE_LIMIT_READS")?, writes: parsed_setting("RATE_LIMIT_WRITES")? };
    let tokens = TokenVerifier::new(Web::from_env()?);
    let admission = KeyAdmission::new(endpoint, store, clock, limits).with_tokens(tokens);
    // `lambda_http::run` requires futures that can move between threads. There is one thread here, and ours cannot.
    let service = async |event: LambdaEvent<LambdaRequest>| {
        let request = Request::from(event.payload).with_lambda_context(event.context);
        // In a box: the compiler computes the layout of the future of the whole process, which is nested too deeply otherwise.
        Ok::<_, Error>(ApiGatewayProxyResponse::from(Box::pin(admission.respond(&handler, request)).await))
    };
    lambda_runtime::run(service_fn(service)).await
}
