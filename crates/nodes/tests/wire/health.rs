//! Checks of service connections.

use domain::connection::{Connection, ConnectionKey};
use domain::ports::Vault;
use domain::time::Time;
use nodes::{Health, Outbound, check_health};
use testkit::build::Maker;
use testkit::{Faults, Memory, MemoryVault};

use crate::server::Server;
use crate::setup::organisation;

const KEY: &str = "sk-of-the-service";

async fn connection(url: &str, path: Option<&str>) -> Connection {
    let made = Maker::new(1).connection("custom:echo", Time::from_millis(1));
    let sealed = MemoryVault.seal(&Connection::place(&organisation(), &made.slug), &KEY.into()).await.unwrap();
    let key = made.key.map(|key| ConnectionKey { sealed, ..key });
    Connection { base_url: url.to_owned(), health_path: path.map(|path| path.parse().unwrap()), key, ..made }
}

async fn check(connection: &Connection) -> Health {
    let outbound = Outbound::new("loopback".parse().unwrap()).unwrap();
    check_health(&outbound, &Memory::new(Faults::none()), &MemoryVault, &organisation(), connection).await.unwrap()
}

#[tokio::test]
async fn the_health_path_is_asked_with_the_key_and_only_a_2xx_is_healthy() {
    for (status, healthy) in [(200, true), (204, true), (301, false), (401, false), (404, false), (429, false), (500, false)] {
        let server = Server::answering(status, &[], KEY);
        let health = check(&connection(&server.url("/v2/"), Some("/health?deep=1")).await).await;
        assert_eq!((health.healthy, health.status, health.error.is_none()), (healthy, Some(status), healthy), "{health:?}");
        assert!(health.latency_ms.is_some() && !format!("{health:?}").contains(KEY));
        let seen = server.one();
        assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/v2/health?deep=1"));
        assert_eq!(seen.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    }
}

#[tokio::test]
async fn without_a_health_path_every_response_is_healthy_that_does_not_refuse_the_call() {
    for (status, healthy) in
        [(200, true), (302, true), (404, true), (405, true), (401, false), (403, false), (407, false), (429, false), (503, false)]
    {
        let server = Server::answering(status, &[], "");
        let health = check(&connection(&server.url("/v2"), None).await).await;
        assert_eq!((health.healthy, health.status), (healthy, Some(status)), "{health:?}");
        assert_eq!(server.one().target, "/v2");
    }
}

#[tokio::test]
async fn a_service_without_a_response_is_unhealthy_with_the_reason() {
    for (url, expected) in [
        ("http://127.0.0.1:1/", "GET 127.0.0.1:1/ could not be reached"),
        ("https://10.0.0.1/", "`10.0.0.1` is a private address"),
        ("crm", "the base URL is not an absolute URL"),
    ] {
        let health = check(&connection(url, None).await).await;
        assert_eq!((health.healthy, health.status, health.latency_ms), (false, None, None));
        assert!(health.error.unwrap().contains(expected), "{url}");
    }
    let server = Server::answering(200, &[], "");
    let made = connection(&server.url(""), None).await;
    let stranger =
        Connection { key: made.key.map(|key| ConnectionKey { sealed: domain::secret::Sealed::from_text("moved"), ..key }), ..made };
    let health = check(&stranger).await;
    assert!(health.error.unwrap().contains("cannot be decrypted; register it again"));
    assert!(server.seen().is_empty());
}
