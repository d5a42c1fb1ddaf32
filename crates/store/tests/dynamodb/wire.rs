//! What passes between the client and the engine: notes what each write costs, on behalf of a store that does not ask, and
//! refuses what AWS refuses and this engine lets pass.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;

/// A write, and what it cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// `PutItem`, `TransactWriteItems`.
    pub operation: String,
    /// Write units of the table and of its indexes.
    pub units: f64,
}

/// An HTTP client that adds `ReturnConsumedCapacity` to every write and notes what the answer says.
#[derive(Debug, Clone)]
pub struct Metered {
    inner: SharedHttpClient,
    costs: Arc<Mutex<Vec<Cost>>>,
    gets: Arc<Mutex<Vec<String>>>,
}

impl Metered {
    /// Sends through `inner`.
    pub fn new(inner: SharedHttpClient) -> Self {
        Self { inner, costs: Arc::default(), gets: Arc::default() }
    }

    /// What was written since the last time this was asked.
    pub fn take(&self) -> Vec<Cost> {
        std::mem::take(&mut self.costs.lock().unwrap())
    }

    /// The requests that read one item, as they were sent, since the last time this was asked.
    pub fn take_reads(&self) -> Vec<String> {
        std::mem::take(&mut self.gets.lock().unwrap())
    }
}

impl HttpClient for Metered {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { inner, costs: Arc::clone(&self.costs), gets: Arc::clone(&self.gets) })
    }
}

#[derive(Debug)]
struct Connector {
    inner: SharedHttpConnector,
    costs: Arc<Mutex<Vec<Cost>>>,
    gets: Arc<Mutex<Vec<String>>>,
}

impl HttpConnector for Connector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let writes = ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"].contains(&operation.as_str());
        if writes && let Some(mut body) = request.body().bytes().and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok()) {
            if let Some(fields) = body.as_object_mut() {
                fields.insert("ReturnConsumedCapacity".to_owned(), "INDEXES".into());
            }
            let text = body.to_string();
            request.headers_mut().insert("content-length", text.len().to_string());
            *request.body_mut() = SdkBody::from(text);
        }
        if operation == "GetItem" {
            let body = request.body().bytes().unwrap_or_default();
            self.gets.lock().unwrap().push(String::from_utf8_lossy(body).into_owned());
        }
        if operation == "Query" {
            // AWS: "The AttributeValue for a key attribute cannot contain an empty string value", in a key condition too.
            let body: Value = request.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
            let empty = body["ExpressionAttributeValues"].as_object().into_iter().flatten().find(|(_, value)| value["S"] == "");
            if let Some((name, _)) = empty {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(format!("{name} of a key condition is empty").into())));
            }
        }
        let answer = self.inner.call(request);
        let costs = Arc::clone(&self.costs);
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            if writes {
                let body = std::mem::replace(answer.body_mut(), SdkBody::empty());
                let bytes = aws_smithy_types::byte_stream::ByteStream::new(body).collect().await;
                let bytes = bytes.map_err(|problem| ConnectorError::io(problem.into()))?.into_bytes();
                if let Some(units) = serde_json::from_slice(&bytes).ok().and_then(|answer: Value| units_of(&answer)) {
                    costs.lock().unwrap().push(Cost { operation, units });
                }
                *answer.body_mut() = SdkBody::from(bytes);
            }
            Ok(answer)
        })
    }
}

/// One operation names one table, or a list of them.
fn units_of(answer: &Value) -> Option<f64> {
    match answer.get("ConsumedCapacity")? {
        Value::Array(tables) => Some(tables.iter().filter_map(|table| table["CapacityUnits"].as_f64()).sum()),
        table => table["CapacityUnits"].as_f64(),
    }
}
