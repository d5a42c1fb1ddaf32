//! An HTTP client between the store and the engine. It records the cost of each write and read, refuses what AWS refuses and this engine
//! accepts, and lets a test act just before a query is sent.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;

/// A write or a read, and its cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// The operation: `PutItem`, `TransactWriteItems`, `Query`.
    pub operation: String,
    /// The write or read units of the table and of its indexes.
    pub units: f64,
}

const WRITES: [&str; 4] = ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"];
const READS: [&str; 2] = ["GetItem", "Query"];

/// An act before a query is sent.
type Interruption = dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

#[derive(Default)]
struct Notes {
    writes: Vec<Cost>,
    reads: Vec<Cost>,
    operations: Vec<String>,
    gets: Vec<String>,
    lost: Option<&'static str>,
    interruption: Option<Arc<Interruption>>,
}

impl std::fmt::Debug for Notes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notes").field("writes", &self.writes).field("reads", &self.reads).finish_non_exhaustive()
    }
}

/// An HTTP client that adds `ReturnConsumedCapacity` to every write and read, and records the answer.
#[derive(Debug, Clone)]
pub struct Metered {
    inner: SharedHttpClient,
    notes: Arc<Mutex<Notes>>,
}

impl Metered {
    /// Returns a client that sends through `inner`.
    pub fn new(inner: SharedHttpClient) -> Self {
        Self { inner, notes: Arc::default() }
    }

    /// Returns all operations, reads too, since the last call of this method.
    pub fn take_operations(&self) -> Vec<String> {
        std::mem::take(&mut self.notes.lock().unwrap().operations)
    }

    /// Loses the answers of this operation from now on, after the engine has done it. `None`: no answers.
    pub fn lose_answers_of(&self, operation: Option<&'static str>) {
        self.notes.lock().unwrap().lost = operation;
    }

    /// Returns the writes since the last call of this method.
    pub fn take(&self) -> Vec<Cost> {
        std::mem::take(&mut self.notes.lock().unwrap().writes)
    }

    /// Returns the reads since the last call of this method.
    pub fn take_reads(&self) -> Vec<Cost> {
        std::mem::take(&mut self.notes.lock().unwrap().reads)
    }

    /// Runs `interruption` to its end before each query from now on.
    pub fn interrupt<F: Future<Output = ()> + Send + 'static>(&self, interruption: impl Fn() -> F + Send + Sync + 'static) {
        self.notes.lock().unwrap().interruption = Some(Arc::new(move || Box::pin(interruption())));
    }

    /// Returns the requests that read one item, as they were sent, since the last call of this method.
    pub fn take_gets(&self) -> Vec<String> {
        std::mem::take(&mut self.notes.lock().unwrap().gets)
    }
}

impl HttpClient for Metered {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { inner, notes: Arc::clone(&self.notes) })
    }
}

#[derive(Debug)]
struct Connector {
    inner: SharedHttpConnector,
    notes: Arc<Mutex<Notes>>,
}

impl HttpConnector for Connector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        self.notes.lock().unwrap().operations.push(operation.clone());
        let (writes, reads) = (WRITES.contains(&operation.as_str()), READS.contains(&operation.as_str()));
        if (writes || reads)
            && let Some(mut body) = request.body().bytes().and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok())
        {
            if let Some(fields) = body.as_object_mut() {
                fields.insert("ReturnConsumedCapacity".to_owned(), "INDEXES".into());
            }
            let text = body.to_string();
            request.headers_mut().insert("content-length", text.len().to_string());
            *request.body_mut() = SdkBody::from(text);
        }
        if operation == "GetItem" {
            let body = request.body().bytes().unwrap_or_default();
            self.notes.lock().unwrap().gets.push(String::from_utf8_lossy(body).into_owned());
        }
        if operation == "Query" {
            // AWS: "The AttributeValue for a key attribute cannot contain an empty string value", in a key condition too.
            let body: Value = request.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
            let empty = body["ExpressionAttributeValues"].as_object().into_iter().flatten().find(|(_, value)| value["S"] == "");
            if let Some((name, _)) = empty {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(format!("{name} of a key condition is empty").into())));
            }
        }
        let (inner, notes) = (self.inner.clone(), Arc::clone(&self.notes));
        let interruption = notes.lock().unwrap().interruption.clone().filter(|_| operation == "Query");
        let is_lost = notes.lock().unwrap().lost == Some(operation.as_str());
        HttpConnectorFuture::new(async move {
            if let Some(interruption) = interruption {
                interruption().await;
            }
            let mut answer = inner.call(request).await?;
            if is_lost {
                // An error after which the client does not try again.
                return Err(ConnectorError::other("the answer was lost".into(), None));
            }
            if writes || reads {
                let body = std::mem::replace(answer.body_mut(), SdkBody::empty());
                let bytes = aws_smithy_types::byte_stream::ByteStream::new(body).collect().await;
                let bytes = bytes.map_err(|problem| ConnectorError::io(problem.into()))?.into_bytes();
                if let Some(units) = serde_json::from_slice(&bytes).ok().and_then(|answer: Value| units_of(&answer)) {
                    let mut notes = notes.lock().unwrap();
                    let costs = if writes { &mut notes.writes } else { &mut notes.reads };
                    costs.push(Cost { operation, units });
                }
                *answer.body_mut() = SdkBody::from(bytes);
            }
            Ok(answer)
        })
    }
}

/// Returns the units of an answer, which has one table or a list of tables.
fn units_of(answer: &Value) -> Option<f64> {
    match answer.get("ConsumedCapacity")? {
        Value::Array(tables) => Some(tables.iter().filter_map(|table| table["CapacityUnits"].as_f64()).sum()),
        table => table["CapacityUnits"].as_f64(),
    }
}
