//! The headers and bodies of requests.

use domain::json::{sha256_hex, sha256_hex_of};
use domain::ports::Effects;
use domain::request::Request;
use serde_json::json;

use crate::server::Server;
use crate::setup::{STEP, TRACE, context, effects, http_request, llm, perform, service_call, service_request, texts};

const COMPLETION: &str = r#"{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}"#;

#[tokio::test]
async fn all_three_kinds_carry_trace_id_parent_key_and_agent() {
    let server = Server::answering(200, &[("content-type", "application/json")], COMPLETION);
    for request in [Request::Llm(llm(None)), service_call("POST", "/x", Some(json!({}))), http_request("GET", &server.url("/x"), &[], None)]
    {
        perform(&server.url(""), request).await.unwrap();
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    let span = &sha256_hex_of(STEP.as_bytes())[..16];
    for request in seen {
        assert_eq!(request.header("x-quantum-trace-id"), Some(TRACE));
        assert_eq!(request.header("traceparent"), Some(format!("00-{TRACE}-{span}-01").as_str()));
        assert_eq!(request.header("idempotency-key"), Some(STEP));
        assert_eq!(request.header("user-agent"), Some(concat!("quantum-runs/", env!("CARGO_PKG_VERSION"))));
    }
}

#[tokio::test]
async fn the_same_step_sends_the_same_headers_again() {
    let server = Server::answering(500, &[], "");
    for _ in 0..2 {
        assert!(perform(&server.url(""), service_call("POST", "/x", Some(json!([1])))).await.unwrap_err().retryable);
    }
    let [first, second] = server.seen().try_into().unwrap();
    assert_eq!(first.headers, second.headers);
    assert_eq!(first.body, second.body);
}

#[tokio::test]
async fn the_body_is_the_canonical_text_whose_hash_a_decision_records() {
    let server = Server::answering(200, &[], "");
    let body = json!({"zeta": [1, 2.5, {"ü": null, "a": "line\nbreak"}], "amount": 100, "Alpha": true});
    perform(&server.url(""), service_call("POST", "/pay", Some(body.clone()))).await.unwrap();
    perform(&server.url(""), http_request("PUT", &server.url("/pay"), &[], Some(body.clone()))).await.unwrap();
    for seen in server.seen() {
        assert_eq!(sha256_hex_of(&seen.body), sha256_hex(&body));
        assert_eq!(seen.body, r#"{"Alpha":true,"amount":100,"zeta":[1,2.5,{"a":"line\nbreak","ü":null}]}"#.as_bytes());
        assert_eq!(seen.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn a_null_body_is_sent_and_a_missing_one_is_not() {
    let server = Server::answering(200, &[], "");
    perform(&server.url(""), service_call("POST", "/x", Some(json!(null)))).await.unwrap();
    perform(&server.url(""), service_call("DELETE", "/x", None)).await.unwrap();
    let [with, without] = server.seen().try_into().unwrap();
    assert_eq!((with.body.as_slice(), with.header("content-type")), (b"null".as_slice(), Some("application/json")));
    assert_eq!((without.body.as_slice(), without.header("content-type")), (b"".as_slice(), None));
    assert_eq!((with.method.as_str(), without.method.as_str()), ("POST", "DELETE"));
}

#[tokio::test]
async fn a_method_with_a_body_says_that_it_has_none() {
    let server = Server::answering(200, &[], "");
    for (method, expected) in
        [("POST", Some("0")), ("PUT", Some("0")), ("PATCH", Some("0")), ("GET", None), ("HEAD", None), ("DELETE", None)]
    {
        for request in [service_call(method, "/x", None), http_request(method, &server.url("/x"), &[], None)] {
            perform(&server.url(""), request).await.unwrap();
            let seen = server.seen().pop().unwrap();
            assert_eq!((seen.method.as_str(), seen.header("content-length"), seen.header("transfer-encoding")), (method, expected, None));
        }
    }
}

#[tokio::test]
async fn the_flow_chooses_the_content_type_but_not_the_platform_s_headers() {
    let server = Server::answering(200, &[], "");
    let mut request = service_request("PATCH", "/x", Some(json!({"b": 1, "a": 2})));
    request.headers = texts(&[("Content-Type", "application/merge-patch+json"), ("X-Team", "Zürich"), ("TraceParent", "mine")]);
    perform(&server.url(""), Request::Service(request)).await.unwrap();
    let seen = server.one();
    assert_eq!(seen.header("content-type"), Some("application/merge-patch+json"));
    assert_eq!(seen.header("x-team"), Some("Zürich"));
    assert!(seen.header("traceparent").unwrap().starts_with("00-"));
    assert_eq!(seen.body, br#"{"a":2,"b":1}"#);
}

#[tokio::test]
async fn path_and_query_arrive_as_they_were_filled_in() {
    let server = Server::answering(200, &[], "");
    let mut request = service_request("GET", "/customers/a%2Fb%3Fc/%C3%BC", None);
    request.query = texts(&[("q", "a&b=c d"), ("page", "2")]);
    let effects = effects(&server.url("/v2/"), "loopback");
    effects.perform(&context(), &Request::Service(request)).await.unwrap();
    assert_eq!(server.one().target, "/v2/customers/a%2Fb%3Fc/%C3%BC?page=2&q=a%26b%3Dc+d");
}
