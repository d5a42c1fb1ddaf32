//! The egress guard at the socket.

use std::io::Read;
use std::net::TcpListener;
use std::sync::mpsc;

use domain::ports::Effects;
use serde_json::json;

use crate::server::Server;
use crate::setup::{context, effects, http_request, perform, service_call};

/// A listener that reports the first byte of each connection.
fn first_byte_listener() -> (u16, mpsc::Receiver<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut first = [0];
            stream.unwrap().read_exact(&mut first).unwrap();
            sender.send(first[0]).unwrap();
        }
    });
    (port, receiver)
}

#[tokio::test]
async fn without_permission_loopback_is_denied_by_name_and_by_number() {
    let (port, connections) = first_byte_listener();
    for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433"] {
        let effects = effects("https://service.invalid", "");
        let error = effects.perform(&context(), &http_request("GET", &format!("https://{host}:{port}/"), &[], None)).await.unwrap_err();
        assert!(!error.retryable, "{host}: {error}");
        assert!(error.message.contains("loopback address, and this deployment forbids"), "{host}: {error}");
    }
    assert!(connections.try_recv().is_err(), "there was no connection");
}

#[tokio::test]
async fn a_connection_is_guarded_like_any_url() {
    let (port, connections) = first_byte_listener();
    let effects = effects(&format!("https://localhost:{port}"), "");
    let error = effects.perform(&context(), &service_call("POST", "/x", Some(json!({})))).await.unwrap_err();
    assert!(!error.retryable && error.message.contains("resolves to a loopback address"), "{error}");
    let error = self::effects("http://service.invalid", "").perform(&context(), &service_call("GET", "/x", None)).await.unwrap_err();
    assert!(!error.retryable && error.message.contains("https only"), "{error}");
    assert!(connections.try_recv().is_err());
}

#[tokio::test]
async fn permission_for_loopback_allows_nothing_else() {
    let server = Server::answering(200, &[], "");
    let port = server.address.port();
    let local = http_request("GET", &format!("http://localhost:{port}/x"), &[], None);
    perform(&server.url(""), local).await.unwrap();
    assert_eq!(server.one().header("host"), Some(format!("localhost:{port}").as_str()));
    for url in ["https://10.0.0.1/", "https://169.254.169.254/latest/meta-data/", "https://[fd00:ec2::254]/", "http://example.com/"] {
        let error = perform(&server.url(""), http_request("GET", url, &[], None)).await.unwrap_err();
        assert!(!error.retryable && error.message.contains("was not sent"), "{url}: {error}");
    }
}

#[tokio::test]
async fn https_uses_tls() {
    let (port, connections) = first_byte_listener();
    let error = perform(&format!("https://localhost:{port}"), service_call("GET", "/x", None)).await.unwrap_err();
    assert!(error.retryable, "{error}");
    assert_eq!(connections.recv(), Ok(0x16), "a TLS handshake record");
}
