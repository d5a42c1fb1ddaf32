//! From a Lambda event to a handler and back.

use std::future::Future;

use domain::access::Limits;
use domain::ports::{Clock, Keys};
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyResponse;
use lambda_http::request::LambdaRequest;
use lambda_http::{Body, LambdaEvent, Request, RequestExt, lambda_runtime, service_fn, tracing};
use runtime::parsed_setting;

use crate::{Answer, ApiError, Call, Endpoint, Error, KeyAdmission, Reply};

/// Serves an endpoint until the platform ends the process, under the limits that the environment sets.
pub async fn serve<K, C, H, F>(endpoint: Endpoint, keys: K, clock: C, handler: H) -> Result<(), Error>
where
    K: Keys,
    C: Clock,
    H: Fn(Call) -> F,
    F: Future<Output = Result<Reply, ApiError>>,
{
    tracing::init_default_subscriber();
    let limits = Limits { reads: parsed_setting("RATE_LIMIT_READS")?, writes: parsed_setting("RATE_LIMIT_WRITES")? };
    let door = KeyAdmission::new(endpoint, keys, clock, limits);
    // `lambda_http::run` would do, but asks for futures that can move between threads. There is one thread here.
    let service = async |event: LambdaEvent<LambdaRequest>| {
        let request = Request::from(event.payload).with_lambda_context(event.context);
        Ok::<_, Error>(response(door.answer(&handler, request).await))
    };
    lambda_runtime::run(service_fn(service)).await
}

pub(crate) fn response(answer: Answer) -> ApiGatewayProxyResponse {
    let mut response = ApiGatewayProxyResponse::default();
    response.status_code = i64::from(answer.status);
    response.headers = answer.headers;
    response.body = Some(Body::Text(answer.body.to_string()));
    response
}
