//! The rows of the workflow's table: one for the run, one for each step, one for each gate.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::time::Time;
use lambda_runtime::Error;
use runtime::{BadSetting, setting};
use serde_json::Value;

/// The table.
#[derive(Debug)]
pub(crate) struct Rows {
    client: Client,
    table: String,
}

impl Rows {
    /// The table that `TABLE_NAME` names.
    pub(crate) fn from_env(config: &SdkConfig) -> Result<Self, BadSetting> {
        Ok(Self { client: Client::new(config), table: setting("TABLE_NAME")? })
    }

    /// Records the node at which the run is. Fails if the run has ended.
    pub(crate) async fn begin_node(&self, run: &str, node: &str) -> Result<(), Error> {
        let update = self.client.update_item().table_name(&self.table).key("pk", run_key(run)).key("sk", text("RUN"));
        let update = update.update_expression("SET currentNode = :node").condition_expression("#status = :running");
        let update = update.expression_attribute_names("#status", "status").expression_attribute_values(":running", text("running"));
        update.expression_attribute_values(":node", text(node)).send().await?;
        Ok(())
    }

    /// Opens a gate: the run's status shows that it waits, and the gate is in the reviewers' inbox.
    pub(crate) async fn open_gate(&self, run: &str, gate: Gate<'_>, now: Time) -> Result<(), Error> {
        let put = self.client.put_item().table_name(&self.table).item("pk", run_key(run));
        let put = put.item("sk", text(format!("GATE#{}", gate.node))).item("status", text("open")).item("token", text(gate.token));
        let put = put.item("actionLabel", text(gate.action_label)).item("proposedAction", text(gate.action.to_string()));
        let put = put.item("assignTo", text(gate.assign_to)).item("openedAt", text(now.to_string()));
        put.item("inboxPk", text(format!("ORG#{}", gate.org))).item("inboxSk", text(format!("{now}#{run}"))).send().await?;
        let update = self.client.update_item().table_name(&self.table).key("pk", run_key(run)).key("sk", text("RUN"));
        let update = update.update_expression("SET #status = :waiting, currentNode = :node").condition_expression("#status = :running");
        let update =
            update.expression_attribute_names("#status", "status").expression_attribute_values(":waiting", text("awaiting_approval"));
        let update = update.expression_attribute_values(":running", text("running"));
        update.expression_attribute_values(":node", text(gate.node)).send().await?;
        Ok(())
    }

    /// Records a step with its input and output.
    pub(crate) async fn put_step(&self, run: &str, node: &str, input: &Value, output: &Value, times: [Time; 2]) -> Result<(), Error> {
        let [started, completed] = times.map(|time| text(time.to_string()));
        let put = self.client.put_item().table_name(&self.table).item("pk", run_key(run)).item("sk", text(format!("STEP#{node}")));
        let put = put.item("status", text("succeeded")).item("input", text(input.to_string())).item("output", text(output.to_string()));
        put.item("startedAt", started).item("completedAt", completed).send().await?;
        Ok(())
    }

    /// Records that the run has succeeded.
    pub(crate) async fn end_run(&self, run: &str, now: Time) -> Result<(), Error> {
        let update = self.client.update_item().table_name(&self.table).key("pk", run_key(run)).key("sk", text("RUN"));
        let update = update.update_expression("SET #status = :succeeded, finishedAt = :now").condition_expression("#status = :running");
        let update = update.expression_attribute_names("#status", "status").expression_attribute_values(":running", text("running"));
        let update = update.expression_attribute_values(":succeeded", text("succeeded"));
        update.expression_attribute_values(":now", text(now.to_string())).send().await?;
        Ok(())
    }
}

/// A gate to open.
#[derive(Debug)]
pub(crate) struct Gate<'a> {
    pub(crate) org: &'a str,
    pub(crate) node: &'a str,
    pub(crate) action_label: String,
    pub(crate) action: Value,
    pub(crate) assign_to: String,
    pub(crate) token: String,
}

fn run_key(run: &str) -> AttributeValue {
    text(format!("RUN#{run}"))
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}
