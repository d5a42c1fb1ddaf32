//! Requests that no step sends.

use std::io::Write;
use std::time::Duration;

use nodes::{Outbound, OutboundRequest};
use testkit::{Faults, Memory};

use crate::server::{Server, answer};
use crate::setup::organisation;

fn outbound() -> Outbound {
    Outbound::new("loopback".parse().unwrap()).unwrap()
}

fn networks() -> Memory {
    Memory::new(Faults::none())
}

#[tokio::test]
async fn bytes_and_headers_are_sent_as_they_are_with_nothing_added() {
    let server = Server::answering(202, &[], "thank you");
    let (org, url) = (organisation(), server.url("/hooks?x=1"));
    let headers = [("Content-Type", "application/json"), ("X-Quantum-Signature", "sha256=00")];
    let body = b"{\"a\" : 1}\n\xff".as_slice();
    let request = OutboundRequest {
        org: &org,
        method: "POST",
        url: &url,
        headers: &headers,
        body,
        timeout: Duration::from_secs(20),
        max_reply_bytes: 5,
    };
    let reply = outbound().send(&networks(), request).await.unwrap();
    assert_eq!((reply.status, reply.body.as_slice()), (202, b"thank".as_slice()));
    let seen = server.one();
    assert_eq!((seen.method.as_str(), seen.target.as_str(), seen.body.as_slice()), ("POST", "/hooks?x=1", body));
    let mut names: Vec<_> = seen.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "content-length", "content-type", "host", "user-agent", "x-quantum-signature"]);
    assert_eq!(seen.header("x-quantum-signature"), Some("sha256=00"));
}

#[tokio::test]
async fn a_response_that_never_ends_is_read_up_to_the_limit() {
    let server = Server::start(|_, stream| {
        _ = stream.write_all(b"HTTP/1.1 500 Whatever\r\n\r\n");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let (org, url) = (organisation(), server.url("/"));
    let request = OutboundRequest {
        org: &org,
        method: "POST",
        url: &url,
        headers: &[],
        body: b"x",
        timeout: Duration::from_secs(20),
        max_reply_bytes: 5_000,
    };
    let reply = outbound().send(&networks(), request).await.unwrap();
    assert_eq!((reply.status, reply.body), (500, vec![b'x'; 5_000]));
}

#[tokio::test]
async fn a_response_that_never_comes_is_waited_for_until_the_timeout() {
    let server = Server::start(|_, stream| {
        _ = stream.write_all(&answer(200, &[], "")[..20]);
        // Until the caller closes the connection.
        _ = std::io::Read::read(stream, &mut [0]);
    });
    let (org, url) = (organisation(), server.url("/"));
    let request = OutboundRequest {
        org: &org,
        method: "POST",
        url: &url,
        headers: &[],
        body: b"x",
        timeout: Duration::from_secs(1),
        max_reply_bytes: 10,
    };
    let error = outbound().send(&networks(), request).await.unwrap_err();
    assert!(error.retryable && error.message.ends_with("gave no complete answer within 1 s"), "{error}");
}

#[tokio::test]
async fn an_error_names_what_was_called_and_none_of_the_headers() {
    let org = organisation();
    for (url, name, expected, retryable) in [
        ("http://127.0.0.1:1/hooks?token=secret", "X-Key", "POST 127.0.0.1:1/hooks could not be reached", true),
        ("https://10.0.0.1/hooks?token=secret", "X-Key", "POST 10.0.0.1/hooks was not sent: `10.0.0.1` is a private address", false),
        ("http://127.0.0.1:1/", "X Key", "was not sent: header `X Key` cannot be sent", false),
    ] {
        let headers = [(name, "sk-secret")];
        let request = OutboundRequest {
            org: &org,
            method: "POST",
            url,
            headers: &headers,
            body: b"x",
            timeout: Duration::from_secs(20),
            max_reply_bytes: 10,
        };
        assert!(!format!("{request:?}").contains("secret"));
        let error = outbound().send(&networks(), request).await.unwrap_err();
        assert!(error.message.contains(expected) && !error.message.contains("secret"), "{error}");
        assert_eq!(error.retryable, retryable, "{error}");
    }
}
