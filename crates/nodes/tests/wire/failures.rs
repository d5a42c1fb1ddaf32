//! The errors of failed calls, and whether another attempt may cure them.

use std::io::{Read, Write};
use std::net::TcpListener;

use domain::ports::{CallContext, EffectError, Effects};
use domain::request::Request;
use serde_json::json;

use crate::server::{Server, answer};
use crate::setup::{context, effects, http_request, llm, perform, service_call, texts};

async fn failure(server: &Server) -> EffectError {
    perform(&server.url(""), service_call("POST", "/things", Some(json!({})))).await.unwrap_err()
}

#[tokio::test]
async fn only_statuses_that_another_attempt_may_cure_are_retryable() {
    for (status, retryable) in [
        (301, false),
        (304, false),
        (400, false),
        (401, false),
        (403, false),
        (404, false),
        (408, true),
        (409, false),
        (410, false),
        (422, false),
        (425, false),
        (429, true),
        (500, true),
        (501, true),
        (502, true),
        (503, true),
        (504, true),
    ] {
        let server = Server::answering(status, &[], "");
        for request in [service_call("GET", "/x", None), http_request("GET", &server.url("/x"), &[], None), Request::Llm(llm(None))] {
            let error = perform(&server.url(""), request.clone()).await.unwrap_err();
            assert_eq!(error.retryable, retryable, "{status} {request:?}");
            assert_eq!(error.answer.unwrap().status, status);
            assert!(error.message.contains(&format!("answered {status}: ")), "{}", error.message);
        }
    }
}

#[tokio::test]
async fn retry_after_is_passed_on_where_a_retry_makes_sense() {
    let past = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (status, value, expected) in [
        (429, Some("17"), Some(17)),
        (503, Some("120"), Some(120)),
        (503, Some(past), Some(0)),
        (503, Some("soon"), None),
        (503, None, None),
        (400, Some("17"), None),
    ] {
        let headers: Vec<_> = value.map(|value| ("retry-after", value)).into_iter().collect();
        let error = failure(&Server::answering(status, &headers, "")).await;
        assert_eq!(error.retry_after_seconds, expected, "{status} {value:?}");
    }
    // A date far in the future.
    let error = failure(&Server::answering(503, &[("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT")], "")).await;
    assert!(error.retry_after_seconds.unwrap() > 1_000_000_000);
}

#[tokio::test]
async fn an_error_says_what_was_called_and_what_came_back() {
    let server = Server::answering(422, &[("X-Request-Id", "r-1"), ("Set-Cookie", "session=1")], r#"{"error":"amount too high"}"#);
    let error = failure(&server).await;
    let host = server.address;
    assert_eq!(error.message, format!(r#"POST {host}/things answered 422: {{"error":"amount too high"}}"#));
    let headers = error.answer.unwrap().headers;
    assert_eq!(headers["x-request-id"], "r-1");
    assert_eq!(headers.get("set-cookie"), None);
}

#[tokio::test]
async fn a_long_error_page_is_quoted_in_part() {
    let error = failure(&Server::answering(500, &[], &"ü".repeat(300_000))).await;
    assert_eq!(error.message.chars().filter(|c| *c == 'ü').count(), 500);
}

#[tokio::test]
async fn no_secret_of_the_request_is_in_an_error_even_if_the_service_sends_it_back() {
    let server = Server::start(|seen, stream| {
        let echo = format!("{:?} {}", seen.headers, seen.target);
        _ = stream.write_all(&answer(400, &[], &echo));
    });
    let address = server.address;
    let url = format!("http://ada:pass-word@{address}/hook?token=query-secret");
    let request = http_request("POST", &url, &[("Authorization", "Bearer header-secret"), ("X-Api-Key", "other-secret")], Some(json!({})));
    let message = perform(&server.url(""), request).await.unwrap_err().message;
    assert!(message.starts_with(&format!("POST {address}/hook answered 400: ")), "{message}");
    for secret in ["header-secret", "other-secret", "pass-word"] {
        assert!(!message.contains(secret), "{message}");
    }

    let url = "http://ada:pass-word@10.0.0.1/hook?token=query-secret";
    let message = perform(&server.url(""), http_request("GET", url, &[], None)).await.unwrap_err().message;
    assert!(message.starts_with("GET 10.0.0.1/hook was not sent: "), "{message}");

    let closed = closed_port();
    let url = format!("http://ada:pass-word@{closed}/hook?token=query-secret");
    let message = perform(&server.url(""), http_request("GET", &url, &[], None)).await.unwrap_err().message;
    assert!(message.starts_with(&format!("GET {closed}/hook could not be reached: ")), "{message}");
    assert!(!message.contains("secret") && !message.contains("pass-word"), "{message}");
}

fn closed_port() -> std::net::SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_closed_port_and_a_broken_response_are_retryable() {
    let url = format!("http://{}", closed_port());
    let error = perform(&url, service_call("GET", "/x", None)).await.unwrap_err();
    assert!(error.retryable && error.answer.is_none(), "{error:?}");
    assert!(error.message.contains("could not be reached: Connection refused"), "{error}");

    let half = Server::start(|_, stream| _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"));
    let error = failure(&half).await;
    assert!(error.retryable && error.message.contains("broke off"), "{error}");
    assert_eq!(error.answer.unwrap().status, 200);

    let mute = Server::start(|_, _| {});
    assert!(failure(&mute).await.retryable);
    assert_eq!(mute.seen().len(), 1, "only the engine repeats a request");

    let page = Server::start(|_, stream| _ = stream.write_all(b"HTTP/1.1 404 No\r\ncontent-length: 100\r\n\r\nhalf"));
    let error = failure(&page).await;
    assert!(!error.retryable && error.message.ends_with("answered 404: half"), "the status is known: {error}");
}

#[tokio::test]
async fn an_attempt_ends_at_its_deadline_whether_or_not_the_response_has_begun() {
    for begun in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"] {
        let silent = Server::start(move |_, stream| {
            _ = stream.write_all(begun.as_bytes());
            // Until the client closes the connection.
            _ = stream.read(&mut [0]);
        });
        let effects = effects(&silent.url(""), "loopback");
        let context = CallContext { timeout_seconds: 1, ..context() };
        let error = effects.perform(&context, &service_call("GET", "/slow", None)).await.unwrap_err();
        assert!(error.retryable);
        let expected =
            format!("GET {}/slow gave no complete answer within 1 s; if it needs longer, raise the node's timeoutSeconds", silent.address);
        assert_eq!(error.message, expected);
    }
}

#[tokio::test]
async fn a_response_that_is_too_large_fails_with_and_without_a_content_length() {
    let announced = Server::start(|_, stream| _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 26214401\r\n\r\n"));
    let endless = Server::start(|_, stream| {
        _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
        // Until the client closes the connection.
        while stream.write_all(&[b'x'; 16_000]).is_ok() {}
    });
    for server in [announced, endless] {
        let error = failure(&server).await;
        assert!(!error.retryable);
        assert!(error.message.contains("its body is larger than 25 MiB, the most an output may have"), "{error}");
        assert_eq!(error.answer.unwrap().status, 200);
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Server::answering(200, &[], "");
    for status in [301, 302, 303, 307, 308] {
        let server = Server::answering(status, &[("location", elsewhere.url("/stolen").as_str())], "");
        let error = failure(&server).await;
        assert!(!error.retryable && error.message.contains("redirects are not followed"), "{error}");
    }
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn a_request_that_cannot_be_sent_fails() {
    let server = Server::answering(200, &[], "");
    let broken = http_request("GET", &server.url("/x"), &[("X-Note", "secret\r\nX-Evil: 1")], None);
    let dots = http_request("GET", &server.url("/users/%2E%2E/delete"), &[], None);
    let mut climbing = crate::setup::service_request("GET", "/users/%2E%2E/%2E%2E/delete", None);
    climbing.query = texts(&[("q", "secret")]);
    for (request, expected) in [
        (broken, "header `X-Note` has a line break"),
        (dots, "value of `.` or `..`"),
        (Request::Service(climbing), "lead out of the connection's base URL"),
        (http_request("GET", "/relative", &[], None), "not an absolute URL"),
        (http_request("A B", &server.url("/x"), &[], None), "method"),
    ] {
        let error = perform(&server.url(""), request).await.unwrap_err();
        assert!(!error.retryable && error.message.contains(expected) && !error.message.contains("secret"), "{error}");
    }
    assert!(server.seen().is_empty());
}
