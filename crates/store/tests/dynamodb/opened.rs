//! An empty store on engines of its own.

use std::collections::HashMap;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::id::RunId;
use serde_json::Value;
use store::{Objects, RunStore, Table};
use testkit::suite::Subject;

use crate::wire::Metered;
use crate::{bucket, template};

/// The name of the table.
pub const TABLE: &str = "runs";

/// The store, and a client for what no port does.
pub struct Opened {
    pub runs: RunStore,
    pub client: Client,
    pub metered: Metered,
    config: SdkConfig,
}

impl Opened {
    /// Returns the same table as another process has it, without what the first has cached.
    pub fn another_process(&self) -> Table {
        Table::new(&self.config, TABLE)
    }

    /// Returns all attributes of an item.
    pub async fn item(&self, pk: &str, sk: &str) -> HashMap<String, AttributeValue> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let request = self.client.get_item().table_name(TABLE).key("pk", text(pk)).key("sk", text(sk));
        request.consistent_read(true).send().await.unwrap().item.unwrap()
    }

    /// Returns the item of a run as it is stored.
    /// Returns the item of a gate as it is stored.
    pub async fn raw_gate(&self, run: &RunId, node: &str) -> HashMap<String, AttributeValue> {
        let key = AttributeValue::S(format!("RUN#{run}"));
        let request = self.client.get_item().table_name(TABLE).key("pk", key).key("sk", AttributeValue::S(format!("GATE#{node}")));
        request.send().await.unwrap().item.unwrap()
    }

    pub async fn raw_run(&self, run: &RunId) -> HashMap<String, AttributeValue> {
        let key = AttributeValue::S(format!("RUN#{run}"));
        let request = self.client.get_item().table_name(TABLE).key("pk", key).key("sk", AttributeValue::S("RUN".to_owned()));
        request.send().await.unwrap().item.unwrap()
    }
}

async fn config(metered: &Metered, url: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(metered.clone())
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .region(Region::from_static("us-east-1"))
        .endpoint_url(url)
        .load()
        .await
}

/// Starts the engines on loopback ports, creates the table of the template, and returns the store.
pub async fn open() -> Opened {
    let metered = Metered::new(aws_smithy_http_client::Builder::new().build_http());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()));
    let dynamodb = config(&metered, &url).await;
    let s3 = config(&metered, &bucket::serve().await).await;
    let client = Client::new(&dynamodb);
    template::create_table(client.create_table().table_name(TABLE)).send().await.unwrap();
    let runs = RunStore::new(Table::new(&dynamodb, TABLE), Objects::new(&s3, "outputs"), 180);
    Opened { runs, client, metered, config: dynamodb }
}

impl Subject for Opened {
    type Runs = RunStore;
    type Table = Table;

    fn runs(&self) -> &RunStore {
        &self.runs
    }

    fn table(&self) -> &Table {
        &self.runs.table
    }

    async fn park(&self, run: &RunId, execution: &str, token: &str) -> bool {
        let parameters = template::park();
        let text = |name: &str| parameters[name].as_str().map(str::to_owned);
        let names = parameters["ExpressionAttributeNames"].as_object().unwrap();
        let names = names.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
        let values = parameters["ExpressionAttributeValues"].as_object().unwrap();
        let values: HashMap<String, AttributeValue> =
            values.iter().map(|(name, value)| (name.clone(), filled(value, run, execution, token))).collect();
        let key = parameters["Key"].as_object().unwrap();
        let request = self
            .client
            .update_item()
            .table_name(TABLE)
            .set_key(Some(key.iter().map(|(name, value)| (name.clone(), filled(value, run, execution, token))).collect()))
            .set_update_expression(text("UpdateExpression"))
            .set_condition_expression(text("ConditionExpression"))
            .set_expression_attribute_names(Some(names.collect()))
            .set_expression_attribute_values(Some(values));
        match request.send().await.map_err(SdkError::into_service_error) {
            Ok(_) => true,
            Err(error) if error.is_conditional_check_failed_exception() => false,
            Err(error) => panic!("park: {error:?}"),
        }
    }
}

/// Returns an attribute of the parameters of the state, with the paths filled in that this state uses.
fn filled(value: &Value, run: &RunId, execution: &str, token: &str) -> AttributeValue {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    let value = value.as_str().unwrap();
    match kind.as_str() {
        "S" => AttributeValue::S(value.to_owned()),
        "N" => AttributeValue::N(value.to_owned()),
        "S.$" => AttributeValue::S(match value {
            "States.Format('RUN#{}', $.runId)" => format!("RUN#{run}"),
            "$$.Execution.Name" => execution.to_owned(),
            "$$.Task.Token" => token.to_owned(),
            other => panic!("the Park state uses `{other}`, which this test does not know"),
        }),
        other => panic!("the Park state uses the type `{other}`, which this test does not know"),
    }
}
