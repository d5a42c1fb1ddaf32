//! The loop of a function that serves an endpoint with a key.

use std::future::Future;

use domain::access::Limits;
use domain::ports::{Clock, Keys};
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyResponse;
use lambda_http::request::LambdaRequest;
use lambda_http::{LambdaEvent, Request, RequestExt, lambda_runtime, service_fn, tracing};
use runtime::parsed_setting;

use crate::{ApiError, ApiRequest, ApiResponse, Endpoint, Error, KeyAdmission};

/// Serves an endpoint until the platform ends the process. The default rate limits come from the environment: `RATE_LIMIT_READS` and
/// `RATE_LIMIT_WRITES`, in calls per minute. Fails if one of them is missing or is not a number.
pub async fn serve<K, C, H, F>(endpoint: Endpoint, keys: K, clock: C, handler: H) -> Result<(), Error>
where
    K: Keys,
    C: Clock,
    H: Fn(ApiRequest) -> F,
    F: Future<Output = Result<ApiResponse, ApiError>>,
{
    tracing::init_default_subscriber();
    let limits = Limits { reads: parsed_setting("RATE_LIMIT_READS")?, writes: parsed_setting("RATE_LIMIT_WRITES")? };
    let admission = KeyAdmission::new(endpoint, keys, clock, limits);
    // `lambda_http::run` requires futures that can move between threads. There is one thread here, and ours cannot.
    let service = async |event: LambdaEvent<LambdaRequest>| {
        let request = Request::from(event.payload).with_lambda_context(event.context);
        Ok::<_, Error>(ApiGatewayProxyResponse::from(admission.respond(&handler, request).await))
    };
    lambda_runtime::run(service_fn(service)).await
}
