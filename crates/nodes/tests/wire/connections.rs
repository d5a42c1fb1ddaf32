//! Calls through service connections: the key that they carry, and when a connection is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::connection::{Carrier, Connection, ConnectionKey};
use domain::flow::{ServiceSlug, Tool};
use domain::id::OrgId;
use domain::network::{PrivateNetworks, PrivateRange};
use domain::ports::{ConnectionBook, Connections, Effect, EffectError, Effects, PortError, Vault};
use domain::request::Request;
use domain::time::Time;
use nodes::NodeEffects;
use serde_json::{Value, json};
use testkit::build::Maker;
use testkit::{Faults, Memory, MemoryVault};

use crate::chat::{text_answer, tool_calls_answer};
use crate::server::Server;
use crate::setup::{context, effects_of, organisation, service_call, service_request, texts};

const KEY: &str = "sk-of-the-service";

/// Connections in memory that count how often they are read, and their uses recorded.
#[derive(Debug, Clone)]
pub struct CountedConnections {
    memory: Memory,
    reads: Arc<AtomicUsize>,
    notes: Arc<AtomicUsize>,
    notes_fail: bool,
}

impl CountedConnections {
    /// Connections with `custom:echo` at `url`, whose key is sealed for the organisation and slug that are given.
    async fn at(url: &str, key: Option<(OrgId, &str, Carrier)>) -> Self {
        let counted = Self { memory: Memory::new(Faults::none()), reads: Arc::default(), notes: Arc::default(), notes_fail: false };
        counted.put(url, key).await;
        counted
    }

    async fn put(&self, url: &str, key: Option<(OrgId, &str, Carrier)>) {
        let connection = Maker::new(1).connection("custom:echo", Time::from_millis(1));
        let key = match key {
            None => None,
            Some((org, slug, carrier)) => {
                let place = Connection::place(&org, &slug.parse().unwrap());
                let sealed = MemoryVault.seal(&place, &KEY.into()).await.unwrap();
                Some(ConnectionKey { sealed, hash: "h".to_owned(), carrier })
            }
        };
        let connection = Connection { base_url: url.to_owned(), key, ..connection };
        self.memory.register(&organisation(), &connection).await.unwrap();
    }

    fn counts(&self) -> (usize, usize) {
        (self.reads.load(Ordering::Relaxed), self.notes.load(Ordering::Relaxed))
    }
}

impl PrivateNetworks for CountedConnections {
    async fn private_ranges(&self, org: &OrgId) -> Result<Vec<PrivateRange>, PortError> {
        self.memory.private_ranges(org).await
    }
}

impl Connections for CountedConnections {
    async fn connection(&self, org: &OrgId, slug: &ServiceSlug) -> Result<Option<Connection>, PortError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.memory.connection(org, slug).await
    }

    async fn note_use(&self, org: &OrgId, connection: &Connection, at: Time) -> Result<(), PortError> {
        self.notes.fetch_add(1, Ordering::Relaxed);
        if self.notes_fail {
            return Err(PortError::Unavailable("down".to_owned()));
        }
        self.memory.note_use(org, connection, at).await
    }

    async fn note_health(&self, _: &OrgId, _: &Connection, _: Time) -> Result<(), PortError> {
        panic!("a call is not a health check");
    }
}

fn ours() -> (OrgId, &'static str, Carrier) {
    (organisation(), "custom:echo", Carrier::default())
}

fn around(counted: &CountedConnections, url: &str) -> NodeEffects<CountedConnections, MemoryVault> {
    effects_of(counted.clone(), url, "loopback")
}

async fn call(effects: &NodeEffects<CountedConnections, MemoryVault>, request: Request) -> Result<Effect, EffectError> {
    effects.perform(&context(), &request).await
}

#[tokio::test]
async fn a_service_call_carries_the_key_and_no_flow_can_replace_it() {
    let server = Server::answering(200, &[], "{}");
    for (carrier, name, value) in [
        (Carrier::default(), "authorization", format!("Bearer {KEY}")),
        (Carrier::parse(None, Some("Token")).unwrap(), "authorization", format!("Token {KEY}")),
        (Carrier::parse(Some("X-Api-Key"), None).unwrap(), "x-api-key", KEY.to_owned()),
    ] {
        let counted = CountedConnections::at(&server.url("/v2"), Some((organisation(), "custom:echo", carrier))).await;
        let mut request = service_request("POST", "/x", Some(json!({})));
        request.headers = texts(&[("AUTHORIZATION", "Bearer of-the-flow"), ("x-API-key", "of-the-flow"), ("X-Tenant", "7")]);
        let input = Request::Service(request.clone()).as_input();
        call(&around(&counted, &server.url("")), Request::Service(request)).await.unwrap();
        let seen = server.seen().pop().unwrap();
        assert_eq!(seen.header(name), Some(value.as_str()));
        assert_eq!(seen.header("x-tenant"), Some("7"));
        assert!(!input.to_string().contains(KEY), "what the step records as sent");
    }
}

#[tokio::test]
async fn a_connection_without_a_key_sends_no_key() {
    let server = Server::answering(200, &[], "{}");
    let counted = CountedConnections::at(&server.url(""), None).await;
    call(&around(&counted, &server.url("")), service_call("GET", "/x", None)).await.unwrap();
    assert_eq!(server.one().header("authorization"), None);
}

#[tokio::test]
async fn a_key_that_the_service_sends_back_is_removed() {
    let body = json!({"youSent": format!("Bearer {KEY}")}).to_string();
    let headers = [("content-type", "application/json"), ("x-echo", KEY)];
    let server = Server::answering(200, &headers, &body);
    let counted = CountedConnections::at(&server.url(""), Some(ours())).await;
    let effect = call(&around(&counted, &server.url("")), service_call("GET", "/x", None)).await.unwrap();
    assert_eq!(effect.output, json!({"youSent": "Bearer ***"}));
    assert_eq!(effect.answer.unwrap().headers["x-echo"], "***");

    for status in [400, 503] {
        let server = Server::answering(status, &headers, &body);
        let counted = CountedConnections::at(&server.url(""), Some(ours())).await;
        let error = call(&around(&counted, &server.url("")), service_call("GET", "/x", None)).await.unwrap_err();
        let shown = format!("{error:?}");
        assert!(!shown.contains(KEY) && shown.contains("***"), "{shown}");
    }
}

#[tokio::test]
async fn a_tool_call_carries_the_key_and_neither_the_model_nor_the_record_gets_it() {
    let service = Server::answering(200, &[("content-type", "text/plain")], &format!("your key is {KEY}"));
    let model = Server::in_sequence([tool_calls_answer(&[("c1", "custom_echo", "{}")]), text_answer("done")]);
    let counted = CountedConnections::at(&service.url("/tool"), Some(ours())).await;
    let mut request = crate::setup::llm(None);
    let (slug, description) = ("custom:echo".parse().unwrap(), "Echo".to_owned());
    request.tools = vec![Tool { slug, description, input_schema: json!({"type": "object"}) }];
    let effect = call(&around(&counted, &model.url("")), Request::Llm(request)).await.unwrap();
    assert_eq!(service.one().header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(effect.output["toolCalls"][0]["output"], "your key is ***");
    let said: Vec<Value> = model.seen().iter().map(crate::server::SeenRequest::json).collect();
    assert!(!format!("{said:?}").contains(KEY), "{said:?}");
    assert_eq!(counted.counts(), (1, 1));
}

#[tokio::test]
async fn a_key_that_was_sealed_for_another_place_is_not_sent() {
    let server = Server::answering(200, &[], "{}");
    let stranger = Maker::new(7).org();
    for (org, slug) in [(stranger, "custom:echo"), (organisation(), "custom:other")] {
        let counted = CountedConnections::at(&server.url(""), Some((org, slug, Carrier::default()))).await;
        let error = call(&around(&counted, &server.url("")), service_call("GET", "/x", None)).await.unwrap_err();
        assert_eq!(
            error.message,
            "the key of service connection `custom:echo` cannot be decrypted; register it again with POST /api/service-connections"
        );
        assert!(!error.retryable);
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_connection_that_is_not_active_is_not_called() {
    let server = Server::answering(200, &[], "{}");
    let counted = CountedConnections::at(&server.url(""), Some(ours())).await;
    let stored = counted.memory.connection(&organisation(), &"custom:echo".parse().unwrap()).await.unwrap().unwrap();
    counted.memory.register(&organisation(), &Connection { active: false, ..stored }).await.unwrap();
    let error = call(&around(&counted, &server.url("")), service_call("GET", "/x", None)).await.unwrap_err();
    assert!(!error.retryable && error.message.contains("`custom:echo` is not active"), "{error}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_connection_is_read_once_per_invocation() {
    let [first, second] = [(); 2].map(|()| Server::answering(200, &[], "{}"));
    let counted = CountedConnections::at(&first.url(""), None).await;
    let effects = around(&counted, &first.url(""));
    effects.begin_invocation();
    let [one, two] = [(); 2].map(|()| service_call("GET", "/x", None));
    let (one, two) = tokio::join!(call(&effects, one), call(&effects, two));
    one.and(two).unwrap();
    counted.put(&second.url(""), None).await;
    call(&effects, service_call("GET", "/x", None)).await.unwrap();
    assert_eq!((counted.counts().0, first.seen().len()), (1, 3));
    effects.begin_invocation();
    call(&effects, service_call("GET", "/x", None)).await.unwrap();
    assert_eq!((counted.counts().0, second.seen().len()), (2, 1));
    counted.memory.delete_connection(&organisation(), &"custom:echo".parse().unwrap()).await.unwrap();
    effects.begin_invocation();
    let error = call(&effects, service_call("GET", "/x", None)).await.unwrap_err();
    assert!(error.message.starts_with("no service connection `custom:echo`"), "{error}");
}

#[tokio::test]
async fn a_use_is_recorded_to_the_hour_and_at_most_once_by_a_process() {
    let server = Server::answering(200, &[], "{}");
    let counted = CountedConnections::at(&server.url(""), None).await;
    let effects = around(&counted, &server.url(""));
    for _ in 0..3 {
        effects.begin_invocation();
        call(&effects, service_call("GET", "/x", None)).await.unwrap();
    }
    let (reads, notes) = counted.counts();
    // The next hour may begin meanwhile.
    assert!(reads == 3 && (1..=2).contains(&notes), "{notes}");
    let stored = counted.memory.connection(&organisation(), &"custom:echo".parse().unwrap()).await.unwrap().unwrap();
    let used = stored.last_used_at.unwrap();
    assert_eq!(used, used.hour());
    // Another process sees that it is recorded.
    let other = CountedConnections { notes: Arc::default(), ..counted.clone() };
    call(&around(&other, &server.url("")), service_call("GET", "/x", None)).await.unwrap();
    assert!(other.counts().1 <= 1);
}

#[tokio::test]
async fn a_use_that_cannot_be_recorded_fails_nothing() {
    let server = Server::answering(200, &[], "{}");
    let counted = CountedConnections { notes_fail: true, ..CountedConnections::at(&server.url(""), None).await };
    let effects = around(&counted, &server.url(""));
    for _ in 0..2 {
        call(&effects, service_call("GET", "/x", None)).await.unwrap();
    }
    assert!((1..=2).contains(&counted.counts().1));
    // A request that was not sent is not a use.
    let counted = CountedConnections { notes_fail: false, ..CountedConnections::at("https://10.0.0.1/", None).await };
    call(&around(&counted, &server.url("")), service_call("GET", "/x", None)).await.unwrap_err();
    assert_eq!(counted.counts(), (1, 0));
}
