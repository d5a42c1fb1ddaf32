//! Public pages that need no key. A page is fixed when its function is built.

use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyResponse;
use lambda_http::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use lambda_http::http::{HeaderMap, HeaderValue};
use lambda_http::request::LambdaRequest;
use lambda_http::{Body, LambdaEvent, Request, lambda_runtime, service_fn, tracing};

use crate::query::check_query;
use crate::{Error, HttpResponse};

/// A text that is the same for every caller.
#[derive(Debug, Clone, Copy)]
pub struct StaticPage {
    /// The media type, with the charset if it has one.
    pub media_type: &'static str,
    /// The whole text.
    pub text: &'static str,
    /// The entity tag of this text, with its quotation marks (RFC 9110, section 8.8.3).
    pub etag: &'static str,
    /// The `Content-Security-Policy`: what a browser may load and run for the page.
    pub content_security_policy: &'static str,
}

/// Browsers and proxies may use a page for five minutes before they validate it again.
const CACHED: &str = "public, max-age=300";

/// Serves a page until the platform ends the process.
pub async fn serve_page(page: StaticPage) -> Result<(), Error> {
    tracing::init_default_subscriber();
    let service = async |event: LambdaEvent<LambdaRequest>| Ok::<_, Error>(page.respond(&Request::from(event.payload)));
    lambda_runtime::run(service_fn(service)).await
}

impl StaticPage {
    /// Returns 200 with the page, or 304 if the caller has it already. Fails with 400 for a query parameter: a page has none.
    pub fn respond(&self, request: &Request) -> ApiGatewayProxyResponse {
        if let Err(errors) = check_query(request, &[]) {
            return HttpResponse::of(Err(errors.into()), "static page", "").into();
        }
        let known =
            request.headers().get_all(IF_NONE_MATCH).iter().any(|value| value.to_str().is_ok_and(|known| matches(known, self.etag)));
        let mut headers = HeaderMap::new();
        headers.insert(ETAG, HeaderValue::from_static(self.etag));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(CACHED));
        if !known {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
            headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(self.content_security_policy));
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        }
        let mut response = ApiGatewayProxyResponse::default();
        response.status_code = if known { 304 } else { 200 };
        response.headers = headers;
        response.body = (!known).then(|| Body::Text(self.text.to_owned()));
        response
    }
}

/// Returns whether `If-None-Match` names the text, by the weak comparison of RFC 9110, section 13.1.2.
pub(crate) fn matches(known: &str, etag: &str) -> bool {
    known.trim() == "*" || known.split(',').any(|one| one.trim().trim_start_matches("W/") == etag)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const PAGE: StaticPage = StaticPage {
        media_type: "text/plain; charset=utf-8",
        text: "all there is",
        etag: "\"7\"",
        content_security_policy: "default-src 'none'",
    };

    fn respond(headers: &[(&str, &str)], query: &Value) -> ApiGatewayProxyResponse {
        let mut event: Value = serde_json::from_str(include_str!("../../../events/get-docs/again.json")).unwrap();
        event["headers"] = headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        event["multiValueHeaders"] = headers.iter().map(|(name, value)| ((*name).to_owned(), json!([value]))).collect();
        event["multiValueQueryStringParameters"] = query.clone();
        PAGE.respond(&lambda_http::request::from_str(&event.to_string()).unwrap())
    }

    fn revalidated(known: &str) -> ApiGatewayProxyResponse {
        respond(&[("If-None-Match", known)], &json!({}))
    }

    #[test]
    fn a_page_is_sent_whole_with_the_headers_that_a_browser_needs() {
        let answer = respond(&[], &json!({}));
        assert_eq!((answer.status_code, answer.body), (200, Some(Body::Text("all there is".to_owned()))));
        let header = |name: &str| answer.headers[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(header("content-security-policy"), "default-src 'none'");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!((header("etag"), header("cache-control")), ("\"7\"".to_owned(), CACHED.to_owned()));
        assert!(!answer.is_base64_encoded);
    }

    #[test]
    fn the_sample_event_of_a_second_visit_is_answered_by_the_etag() {
        let event = lambda_http::request::from_str(include_str!("../../../events/get-docs/again.json")).unwrap();
        assert_eq!(PAGE.respond(&event).status_code, 200, "its tag is another one");
        let same = StaticPage { etag: "\"0123456789abcdef0123456789abcdef\"", ..PAGE };
        assert_eq!(same.respond(&event).status_code, 304);
    }

    #[test]
    fn a_page_has_no_query_parameters() {
        let answer = respond(&[], &json!({"version": ["2"]}));
        let Some(Body::Text(body)) = answer.body else { panic!("{:?}", answer.body) };
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((answer.status_code, body["details"]["fieldErrors"].get("version").is_some()), (400, true), "{body}");
    }

    #[test]
    fn a_caller_that_has_the_page_gets_304() {
        for known in ["\"7\"", "W/\"7\"", "\"6\", \"7\"", "*"] {
            let answer = revalidated(known);
            assert_eq!((answer.status_code, &answer.body), (304, &None), "{known}");
            assert_eq!(answer.headers["etag"], "\"7\"");
        }
        for other in ["\"8\"", "7", "\"\"", "W/\"77\""] {
            assert_eq!(revalidated(other).status_code, 200, "{other}");
        }
    }
}
