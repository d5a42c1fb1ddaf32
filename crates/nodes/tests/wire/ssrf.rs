//! Ways into the deployment's own network: through the real client, the guard denies each of them.

use std::sync::Arc;
use std::time::Duration;

use domain::network::{PrivateNetworkSwitch, PrivateNetworks};
use nodes::{Egress, Outbound, OutboundError, OutboundRequest, OutboundResponse};
use testkit::{Faults, Memory};

use crate::names::{Hosts, NameServer};
use crate::server::{Server, answer};
use crate::setup::organisation;

/// A URL, and the class that it is refused as.
const LITERALS: &[(&str, &str)] = &[
    // Loopback in every notation.
    ("https://127.0.0.1/", "loopback"),
    ("https://127.0.0.1:8443/", "loopback"),
    ("https://127.255.255.254/", "loopback"),
    ("https://127.1/", "loopback"),
    ("https://127.0.1/", "loopback"),
    ("https://2130706433/", "loopback"),
    ("https://0x7f000001/", "loopback"),
    ("https://0x7f.1/", "loopback"),
    ("https://0x7f.0x0.0x0.0x1/", "loopback"),
    ("https://017700000001/", "loopback"),
    ("https://0177.0.0.01/", "loopback"),
    ("https://0177.0x0.0.1/", "loopback"),
    ("https://127.0.0.1./", "loopback"),
    ("https://%31%32%37.0.0.1/", "loopback"),
    ("https://127%2E0%2E0%2E1/", "loopback"),
    ("https://①②⑦.⓪.⓪.①/", "loopback"),
    ("https://１２７.０.０.１/", "loopback"),
    ("https://127。0。0。1/", "loopback"),
    ("https://127．0｡0.1/", "loopback"),
    ("https://example.com@127.0.0.1/", "loopback"),
    ("https://example.com:443@127.0.0.1/", "loopback"),
    ("https://127.0.0.1\\@example.com/", "loopback"),
    ("https://127.0.0.1#@example.com/", "loopback"),
    ("https://127.0.0.1?@example.com/", "loopback"),
    ("https:127.0.0.1/", "loopback"),
    ("https:///127.0.0.1/", "loopback"),
    ("https://\t127.0.\n0.1/", "loopback"),
    ("hTTps://127.0.0.1/", "loopback"),
    ("https://[::1]/", "loopback"),
    ("https://[0:0:0:0:0:0:0:1]/", "loopback"),
    ("https://[0000::0001]:8443/", "loopback"),
    ("https://[::ffff:127.0.0.1]/", "loopback"),
    ("https://[::ffff:7f00:1]/", "loopback"),
    ("https://[::127.0.0.1]/", "loopback"),
    ("https://[::ffff:0:127.0.0.1]/", "loopback"),
    ("https://[64:ff9b::127.0.0.1]/", "loopback"),
    ("https://[2002:7f00:1::]/", "loopback"),
    // The metadata services of clouds.
    ("https://169.254.169.254/latest/meta-data/", "cloud metadata"),
    ("https://2852039166/", "cloud metadata"),
    ("https://0xa9fea9fe/", "cloud metadata"),
    ("https://0251.0376.0251.0376/", "cloud metadata"),
    ("https://169.254.43518/", "cloud metadata"),
    ("https://[::ffff:a9fe:a9fe]/", "cloud metadata"),
    ("https://[::169.254.169.254]/", "cloud metadata"),
    ("https://[64:ff9b::169.254.169.254]/", "cloud metadata"),
    ("https://[2002:a9fe:a9fe::]/", "cloud metadata"),
    ("https://169.254.170.2/v2/credentials", "cloud metadata"),
    ("https://169.254.170.23/v1/credentials", "cloud metadata"),
    ("https://[fd00:ec2::254]/", "cloud metadata"),
    ("https://[fd00:ec2::23]/", "cloud metadata"),
    ("https://[fd00:0ec2:0:0:0:0:0:254]/", "cloud metadata"),
    ("https://[fd20:ce::254]/", "cloud metadata"),
    ("https://100.100.100.200/", "cloud metadata"),
    ("https://[::ffff:100.100.100.200]/", "cloud metadata"),
    ("https://168.63.129.16/", "cloud metadata"),
    ("https://[64:ff9b::168.63.129.16]/", "cloud metadata"),
    // The rest of link-local space, which holds the time service, the name server and the runtime of a function.
    ("https://169.254.169.253/", "link-local"),
    ("https://169.254.0.1/", "link-local"),
    ("https://[fe80::1]/", "link-local"),
    ("https://[febf::1]/", "link-local"),
    // Private networks.
    ("https://10.0.0.1/", "private"),
    ("https://10.255.255.255/", "private"),
    ("https://167772161/", "private"),
    ("https://012.1.2.3/", "private"),
    ("https://172.16.0.1/", "private"),
    ("https://172.31.255.255/", "private"),
    ("https://192.168.1.1/", "private"),
    ("https://0xc0a80101/", "private"),
    ("https://[::ffff:10.0.0.1]/", "private"),
    ("https://[64:ff9b::a00:1]/", "private"),
    ("https://[2002:a00:1::1]/", "private"),
    ("https://[fec0::1]/", "private"),
    ("https://[fc00::1]/", "unique-local"),
    ("https://[fd12:3456:789a::1]/", "unique-local"),
    ("https://100.64.0.1/", "carrier-grade NAT"),
    ("https://100.127.255.255/", "carrier-grade NAT"),
    // Addresses that are not assigned to any host.
    ("https://0.0.0.0/", "unspecified"),
    ("https://0/", "unspecified"),
    ("https://0x0/", "unspecified"),
    ("https://0.1.2.3/", "unspecified"),
    ("https://[::]/", "unspecified"),
    ("https://[::ffff:0.0.0.0]/", "unspecified"),
    ("https://224.0.0.1/", "multicast"),
    ("https://239.255.255.250/", "multicast"),
    ("https://[ff02::1]/", "multicast"),
    ("https://255.255.255.255/", "broadcast"),
    ("https://4294967295/", "broadcast"),
    ("https://240.0.0.1/", "reserved"),
    ("https://192.0.0.192/", "reserved"),
    ("https://192.88.99.1/", "reserved"),
    ("https://[2001::7f00:1]/", "reserved"),
    ("https://[2001:0:a9fe:a9fe::1]/", "reserved"),
    ("https://[64:ff9b:1::10.0.0.1]/", "reserved"),
    ("https://[100::1]/", "reserved"),
    ("https://192.0.2.1/", "documentation"),
    ("https://203.0.113.9/", "documentation"),
    ("https://[2001:db8::1]/", "documentation"),
    ("https://198.18.0.1/", "benchmarking"),
];

/// A name, what it resolves to, and the class that it is refused as.
const NAMES: &[(&str, &[&str], &str)] = &[
    ("localhost", &["127.0.0.1"], "loopback"),
    ("LOCALHOST", &["::1"], "loopback"),
    ("localhost.", &["127.0.0.1"], "loopback"),
    ("ip6-localhost", &["::1"], "loopback"),
    ("app.localhost", &["127.0.0.1"], "loopback"),
    ("127.0.0.1.nip.example", &["127.0.0.1"], "loopback"),
    ("mapped.example", &["::ffff:127.0.0.1"], "loopback"),
    ("metadata.google.internal", &["169.254.169.254"], "cloud metadata"),
    ("instance-data.example", &["fd00:ec2::254"], "cloud metadata"),
    ("wire.example", &["168.63.129.16"], "cloud metadata"),
    ("kubernetes.default.svc", &["10.96.0.1"], "private"),
    ("both.example", &["1.1.1.1", "192.168.0.1"], "private"),
    ("nat64.example", &["64:ff9b::a00:1"], "private"),
    ("zero.example", &["0.0.0.0"], "unspecified"),
    ("ünsafe.example", &["10.0.0.1"], "private"),
];

async fn send(outbound: &Outbound, networks: &impl PrivateNetworks, url: &str) -> Result<OutboundResponse, OutboundError> {
    let org = organisation();
    let timeout = Duration::from_secs(20);
    outbound
        .send(networks, OutboundRequest { org: &org, method: "POST", url, headers: &[], body: b"x", timeout, max_reply_bytes: 100 })
        .await
}

fn nothing_open() -> Memory {
    Memory::new(Faults::none())
}

#[tokio::test]
async fn no_literal_of_the_table_is_reached() {
    assert!(LITERALS.len() + NAMES.len() >= 60);
    let outbound = Outbound::with_lookup(Egress::default(), Arc::new(Hosts::default())).unwrap();
    for (url, class) in LITERALS {
        let error = send(&outbound, &nothing_open(), url).await.unwrap_err();
        assert!(!error.retryable, "{url}: {error}");
        assert!(error.message.contains(&format!("is a {class} address, and this deployment forbids")), "{url}: {error}");
    }
}

#[tokio::test]
async fn no_name_of_the_table_is_reached() {
    for (name, addresses, class) in NAMES {
        let url = url::Url::parse(&format!("https://{name}/")).unwrap();
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let hosts = Hosts([(url.host_str().unwrap().to_owned(), addresses)].into());
        let outbound = Outbound::with_lookup(Egress::default(), Arc::new(hosts)).unwrap();
        let error = send(&outbound, &nothing_open(), url.as_str()).await.unwrap_err();
        assert!(!error.retryable, "{name}: {error}");
        assert!(error.message.contains(&format!("resolves to a {class} address, and this deployment forbids")), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_url_that_is_not_https_to_a_host_is_denied() {
    let outbound = Outbound::with_lookup(Egress::default(), Arc::new(Hosts::default())).unwrap();
    for (url, expected) in [
        ("http://example.com/", "https only"),
        ("http://127.0.0.1/", "https only"),
        ("ftp://example.com/", "`ftp` URLs"),
        ("gopher://127.0.0.1:70/", "`gopher` URLs"),
        ("file:///etc/passwd", "no host"),
        ("data:text/plain,x", "no host"),
        ("javascript:alert(1)", "no host"),
        ("//127.0.0.1/", "not an absolute"),
        ("127.0.0.1", "not an absolute"),
        ("", "not an absolute"),
        ("https://", "not an absolute"),
        ("https://256.0.0.1/", "not an absolute"),
        ("https://1.2.3.4.5/", "not an absolute"),
        ("https://[::1", "not an absolute"),
        ("https://[fe80::1%25eth0]/", "not an absolute"),
        ("https://exa mple.com/", "not an absolute"),
    ] {
        let error = send(&outbound, &nothing_open(), url).await.unwrap_err();
        assert!(!error.retryable && error.message.contains(expected), "{url}: {error}");
    }
}

#[tokio::test]
async fn redirects_of_every_kind_are_not_followed() {
    let target = Server::answering(200, &[], "secret");
    let loopback = "loopback".parse().unwrap();
    for status in [300, 301, 302, 303, 304, 305, 307, 308] {
        for location in [target.url("/latest/meta-data/"), "http://169.254.169.254/".to_owned(), "//10.0.0.1/".to_owned()] {
            let server = Server::start(move |_, stream| {
                _ = std::io::Write::write_all(stream, &answer(status, &[("location", &location), ("refresh", "0; url=/x")], ""));
            });
            let outbound = Outbound::new(loopback).unwrap();
            let reply = send(&outbound, &nothing_open(), &server.url("/hook")).await.unwrap();
            assert_eq!(reply.status, status);
            assert_eq!(server.one().target, "/hook");
        }
    }
    assert!(target.seen().is_empty());
}

#[tokio::test]
async fn a_name_is_resolved_once_and_the_first_answer_is_connected_to() {
    let server = Server::answering(200, &[], "here");
    let port = server.address.port();
    let elsewhere = std::net::TcpListener::bind(("127.0.0.2", port)).unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let names = NameServer::answering(&["127.0.0.1", "127.0.0.2", "10.0.0.1"]);
    let outbound = Outbound::with_lookup("loopback".parse().unwrap(), Arc::new(names.clone())).unwrap();
    let url = format!("http://rebind.localhost:{port}/hook");
    let reply = send(&outbound, &nothing_open(), &url).await.unwrap();
    assert_eq!((reply.status, reply.body.as_slice()), (200, b"here".as_slice()));
    assert_eq!(names.asked(), ["rebind.localhost."], "one lookup");
    assert_eq!(server.one().header("host"), Some(format!("rebind.localhost:{port}").as_str()));
    assert_eq!(elsewhere.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "the second answer was not used");
}

#[tokio::test]
async fn a_name_is_checked_again_at_every_lookup() {
    let server = Server::answering(200, &[], "here");
    let names = NameServer::answering(&["127.0.0.1", "10.0.0.1", "127.0.0.1"]);
    let outbound = Outbound::with_lookup("loopback".parse().unwrap(), Arc::new(names.clone())).unwrap();
    // The server closes its connections, so each request needs an address.
    let url = format!("http://rebind.localhost:{}/hook", server.address.port());
    send(&outbound, &nothing_open(), &url).await.unwrap();
    let error = send(&outbound, &nothing_open(), &url).await.unwrap_err();
    assert!(!error.retryable && error.message.contains("resolves to a private address"), "{error}");
    assert_eq!((names.asked().len(), server.seen().len()), (2, 1));
}

#[tokio::test]
async fn a_forbidden_first_answer_is_final() {
    let names = NameServer::answering(&["10.0.0.1", "127.0.0.1"]);
    let server = Server::answering(200, &[], "here");
    let outbound = Outbound::with_lookup("loopback".parse().unwrap(), Arc::new(names.clone())).unwrap();
    let url = format!("https://rebind.example:{}/", server.address.port());
    let error = send(&outbound, &nothing_open(), &url).await.unwrap_err();
    assert!(!error.retryable && error.message.contains("resolves to a private address"), "{error}");
    assert_eq!((names.asked().len(), server.seen().len()), (1, 0));
}

#[tokio::test]
async fn open_ranges_are_those_of_the_organisation_that_sends() {
    let hosts = |address: &str| Hosts([("crm.internal".to_owned(), vec![address.parse().unwrap()])].into());
    let networks = nothing_open();
    let ours = organisation();
    let theirs = testkit::build::Maker::new(9).org();
    networks.open_range(&theirs, &"10.0.0.0/8".parse().unwrap()).await.unwrap();
    networks.open_range(&ours, &"10.1.0.0/16".parse().unwrap()).await.unwrap();
    for (address, url) in [("10.2.0.1", "https://crm.internal/"), ("1.1.1.1", "https://10.2.0.1/"), ("127.0.0.1", "https://crm.internal/")]
    {
        let outbound = Outbound::with_lookup(Egress::default(), Arc::new(hosts(address))).unwrap();
        let error = send(&outbound, &networks, url).await.unwrap_err();
        assert!(!error.retryable && error.message.contains("this deployment forbids"), "{address} {url}: {error}");
    }
    let judged =
        async |org, url| Egress::default().check_url(&networks, org, url).await.map(String::from).map_err(|error| error.to_string());
    assert_eq!(judged(&ours, "https://10.1.2.3/crm").await.as_deref(), Ok("https://10.1.2.3/crm"));
    assert!(judged(&ours, "https://10.2.2.3/crm").await.is_err());
    assert!(judged(&theirs, "https://[::ffff:10.1.2.3]/").await.is_err());
    assert!(judged(&theirs, "http://10.1.2.3/").await.unwrap_err().contains("https only"));
    assert!(judged(&theirs, "crm.internal").await.unwrap_err().contains("absolute URL"));
}
