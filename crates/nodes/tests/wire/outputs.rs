//! The outputs of successful calls.

use domain::ports::{Effects, PortError};
use domain::request::{HttpCall, Request};
use serde_json::{Value, json};

use crate::server::Server;
use crate::setup::{context, effects, effects_with, http_request, perform, service_call, service_request};

const JSON: (&str, &str) = ("Content-Type", "application/json");

#[tokio::test]
async fn the_output_of_a_service_call_is_the_body_and_the_step_records_status_and_headers() {
    let server = Server::answering(201, &[JSON, ("X-Version", "7"), ("Set-Cookie", "session=1")], r#"{"id":"c-1"}"#);
    let effect = perform(&server.url(""), service_call("POST", "/customers", Some(json!({})))).await.unwrap();
    assert_eq!(effect.output, json!({"id": "c-1"}));
    let answer = effect.answer.unwrap();
    assert_eq!((answer.status, &answer.headers["x-version"]), (201, &json!("7")));
    assert_eq!(answer.headers.get("set-cookie"), None);
}

#[tokio::test]
async fn text_becomes_a_string_and_an_empty_body_becomes_null() {
    for (body, expected) in [("plain text", json!("plain text")), ("", Value::Null)] {
        let server = Server::answering(200, &[("Content-Type", "text/plain")], body);
        let effect = perform(&server.url(""), service_call("GET", "/x", None)).await.unwrap();
        assert_eq!(effect.output, expected);
    }
    let head = Server::answering(204, &[], "");
    assert_eq!(perform(&head.url(""), service_call("HEAD", "/x", None)).await.unwrap().output, Value::Null);
}

#[tokio::test]
async fn the_output_of_an_http_request_is_status_headers_and_body() {
    let server = Server::answering(202, &[JSON, ("Set-Cookie", "session=1")], "[1,2]");
    let effect = perform(&server.url(""), http_request("GET", &server.url("/x?a=1"), &[], None)).await.unwrap();
    let headers = json!({"connection": "close", "content-length": "5", "content-type": "application/json"});
    assert_eq!(effect.output, json!({"status": 202, "headers": headers, "body": [1, 2]}));
    assert_eq!(effect.answer.unwrap().headers, headers);
    assert_eq!(server.one().target, "/x?a=1");
}

#[tokio::test]
async fn an_unknown_connection_says_how_to_register_it() {
    let server = Server::answering(200, &[], "");
    let effects = effects(&server.url(""), "loopback");
    let mut request = service_request("GET", "/x", None);
    request.service = "custom:crm".parse().unwrap();
    let error = effects.perform(&context(), &domain::request::Request::Service(request)).await.unwrap_err();
    assert_eq!(error.message, "no service connection `custom:crm`; register it with POST /api/service-connections");
    assert!(!error.retryable);

    let mut foreign = context();
    foreign.org = domain::id::OrgId::new(domain::time::Time::from_millis(2), 2);
    let error = effects.perform(&foreign, &service_call("GET", "/x", None)).await.unwrap_err();
    assert!(error.message.starts_with("no service connection `custom:echo`"), "another organisation's is unknown: {error}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_retried_and_its_message_is_not_shown() {
    let unavailable: fn() -> PortError = || PortError::Unavailable("table-internal".to_owned());
    let corrupt: fn() -> PortError = || PortError::Corrupt("table-internal".to_owned());
    for (port, retryable) in [(unavailable, true), (corrupt, false)] {
        let effects = effects_with(Err(port), "https://llm.invalid/v1", "");
        let error = effects.perform(&context(), &service_call("GET", "/x", None)).await.unwrap_err();
        assert_eq!(error.retryable, retryable);
        assert!(!error.message.contains("table-internal"), "{error}");
    }
    let effects = effects_with(Ok("not a url".to_owned()), "https://llm.invalid/v1", "");
    let error = effects.perform(&context(), &service_call("GET", "/x", None)).await.unwrap_err();
    assert!(!error.retryable && error.message.contains("base URL of service connection `custom:echo`"), "{error}");
}

#[tokio::test]
async fn a_sink_posts_its_body_and_checks_only_the_status() {
    let call = |server: &Server| HttpCall {
        url: server.url("/in"),
        method: "POST".into(),
        headers: [].into(),
        body: Some(json!({"b": 1, "a": 2})),
    };
    let server = Server::answering(202, &[], "whatever it expected");
    let effect = perform(&server.url(""), Request::Sink(call(&server))).await.unwrap();
    assert_eq!(effect.output, json!({"status": 202}));
    assert_eq!(server.one().body, br#"{"a":2,"b":1}"#);
    let refusing = Server::answering(400, &[], "no");
    let error = perform(&refusing.url(""), Request::Sink(call(&refusing))).await.unwrap_err();
    assert!(!error.retryable && error.message.contains("400"), "{error}");
}
