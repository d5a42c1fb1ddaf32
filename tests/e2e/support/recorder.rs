//! The requests that the echo service and the scripted model received.

use reqwest::Client;
use serde_json::Value;

use super::eventually;
use super::recording::record_event;

/// A service of the local stack that remembers its requests.
#[derive(Debug, Clone)]
pub struct Recorder {
    client: Client,
    /// Its address, without a slash at the end.
    pub url: String,
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Recorded(pub Value);

impl Recorder {
    pub(super) fn new(client: &Client, url: &str) -> Self {
        Self { client: client.clone(), url: url.to_owned() }
    }

    async fn requests(&self, filter: &str) -> Vec<Recorded> {
        let url = format!("{}/_requests{filter}", self.url);
        let response = self.client.get(&url).send().await.unwrap_or_else(|error| panic!("{url}: {error}"));
        let text = response.text().await.unwrap();
        let all: Value = serde_json::from_str(&text).unwrap_or_else(|why| panic!("{url}: {why}: {text}"));
        let all: Vec<Recorded> = all.as_array().unwrap().iter().cloned().map(Recorded).collect();
        for event in all.iter().filter(|each| each.0["headers"]["x-quantum-event"].is_string()) {
            record_event(&event.0["headers"], event.raw());
        }
        all
    }

    /// Requests for a path, oldest first.
    pub async fn sent_to(&self, path: &str) -> Vec<Recorded> {
        self.requests(&format!("?path={path}")).await
    }

    /// Answers the requests for a path that the echo service holds (`/hold/…`), and all that follow.
    pub async fn release(&self, path: &str) {
        let url = format!("{}/_release?path={path}", self.url);
        let response = self.client.post(&url).send().await.unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(response.status().as_u16(), 200, "{url}");
    }

    /// Requests under an Idempotency-Key.
    pub async fn sent_by(&self, key: &str) -> Vec<Recorded> {
        self.requests(&format!("?idempotencyKey={key}")).await
    }

    /// The only request for a path.
    pub async fn only(&self, path: &str) -> Recorded {
        let mut all = self.sent_to(path).await;
        assert_eq!(all.len(), 1, "requests for {path}: {all:?}");
        all.remove(0)
    }

    /// Waits for a request to a path.
    pub async fn wait_for(&self, path: &str) -> Recorded {
        eventually(&format!("a request for {path}"), async || self.sent_to(path).await.into_iter().next()).await
    }
}

impl Recorded {
    /// A header, by its name in lower case.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.0["headers"][name].as_str().unwrap_or_else(|| panic!("no header {name}: {}", self.0))
    }

    /// The body as JSON.
    pub fn body(&self) -> &Value {
        &self.0["body"]
    }

    /// The body's bytes.
    pub fn raw(&self) -> &str {
        self.0["rawBody"].as_str().unwrap()
    }

    /// The SHA-256 of the body's bytes, as the receiver computed it.
    pub fn sha256(&self) -> &str {
        self.0["sha256"].as_str().unwrap()
    }
}
