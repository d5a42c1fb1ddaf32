//! The AWS APIs behind the API, in the protocol of the AWS SDKs. The local stack checks no signature, so no SDK is needed.

use reqwest::Client;
use serde_json::{Value, json};

use super::stack::variable;

/// The AWS APIs of the stack.
#[derive(Debug, Clone)]
pub struct Aws {
    client: Client,
    /// Their endpoint, which is also in the environment of the functions.
    pub(super) endpoint: String,
    region: String,
    table: String,
    run_machine: String,
    resume_machine: String,
}

impl Aws {
    pub(super) fn from_environment(client: &Client) -> Self {
        Self {
            client: client.clone(),
            endpoint: variable("AWS_ENDPOINT_URL"),
            region: variable("AWS_REGION"),
            table: variable("TABLE_NAME"),
            run_machine: variable("RUN_STATE_MACHINE_ARN"),
            resume_machine: variable("RESUME_STATE_MACHINE_ARN"),
        }
    }

    async fn call(&self, service: &str, target: &str, version: &str, body: &Value) -> (u16, Value) {
        let scope = format!("20260101/{}/{service}/aws4_request", self.region);
        let authorization = format!("AWS4-HMAC-SHA256 Credential=local/{scope}, SignedHeaders=host, Signature=00");
        let request = self.client.post(&self.endpoint).header("authorization", authorization).header("x-amz-target", target);
        let request = request.header("content-type", format!("application/x-amz-json-{version}")).body(body.to_string());
        let response = request.send().await.unwrap_or_else(|error| panic!("{target}: {error}"));
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// The mails to an address that SES has accepted, oldest first.
    pub async fn mails_to(&self, address: &str) -> Vec<Value> {
        let url = format!("{}/_ministack/ses/messages", self.endpoint);
        let response = self.client.get(&url).send().await.unwrap_or_else(|error| panic!("{url}: {error}"));
        let text = response.text().await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|why| panic!("{url}: {why}: {text}"));
        let accounts = answer["messages"].as_object().unwrap_or_else(|| panic!("no mails: {text}"));
        let all = accounts.values().filter_map(Value::as_array).flatten();
        all.filter(|mail| mail["To"].as_array().is_some_and(|to| to.contains(&json!(address)))).cloned().collect()
    }

    /// The item of a run, in DynamoDB's own notation.
    pub async fn run_item(&self, run: &str) -> Value {
        self.item(run, "RUN").await
    }

    /// The record of a step, or its receipt; null if there is neither.
    pub async fn step_item(&self, run: &str, node: &str) -> Value {
        self.item(run, &format!("STEP#{node}")).await
    }

    async fn item(&self, run: &str, sk: &str) -> Value {
        self.item_at(&format!("RUN#{run}"), sk).await
    }

    async fn item_at(&self, pk: &str, sk: &str) -> Value {
        let key = json!({"pk": {"S": pk}, "sk": {"S": sk}});
        let body = json!({"TableName": self.table, "Key": key, "ConsistentRead": true});
        let (status, answer) = self.call("dynamodb", "DynamoDB_20120810.GetItem", "1.0", &body).await;
        assert_eq!(status, 200, "{answer}");
        answer["Item"].clone()
    }

    /// The item of a service connection, by the connection's id. The table of a test is small enough for a scan.
    pub async fn connection_item(&self, id: &str) -> Value {
        let mut body = json!({
            "TableName": self.table,
            "ConsistentRead": true,
            "FilterExpression": "id = :id AND sk = :sk",
            "ExpressionAttributeValues": {":id": {"S": id}, ":sk": {"S": "CONNECTION"}},
        });
        loop {
            let (status, answer) = self.call("dynamodb", "DynamoDB_20120810.Scan", "1.0", &body).await;
            assert_eq!(status, 200, "{answer}");
            if let Some(item) = answer["Items"].get(0) {
                return item.clone();
            }
            assert!(answer["LastEvaluatedKey"].is_object(), "there is no connection {id}");
            body["ExclusiveStartKey"] = answer["LastEvaluatedKey"].clone();
        }
    }

    /// Puts another ciphertext into a connection's item, as an attacker with write access to the table could.
    pub async fn replace_sealed_key(&self, item: &Value, sealed: &Value) {
        let body = json!({
            "TableName": self.table,
            "Key": {"pk": item["pk"], "sk": item["sk"]},
            "UpdateExpression": "SET sealedKey = :sealed",
            "ConditionExpression": "attribute_exists(sealedKey)",
            "ExpressionAttributeValues": {":sealed": sealed},
        });
        let (status, answer) = self.call("dynamodb", "DynamoDB_20120810.UpdateItem", "1.0", &body).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// All items of a run, in DynamoDB's own notation.
    pub async fn items_of_run(&self, run: &str) -> Vec<Value> {
        let body = json!({
            "TableName": self.table,
            "ConsistentRead": true,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": format!("RUN#{run}")}},
        });
        let (status, answer) = self.call("dynamodb", "DynamoDB_20120810.Query", "1.0", &body).await;
        assert_eq!(status, 200, "{answer}");
        answer["Items"].as_array().unwrap().clone()
    }

    /// Makes the items of a run what they were, as a restored table has them.
    pub async fn restore_run(&self, run: &str, items: &[Value]) {
        for item in self.items_of_run(run).await {
            let body = json!({"TableName": self.table, "Key": {"pk": item["pk"], "sk": item["sk"]}});
            let (status, answer) = self.call("dynamodb", "DynamoDB_20120810.DeleteItem", "1.0", &body).await;
            assert_eq!(status, 200, "{answer}");
        }
        for item in items {
            let body = json!({"TableName": self.table, "Item": item});
            let (status, answer) = self.call("dynamodb", "DynamoDB_20120810.PutItem", "1.0", &body).await;
            assert_eq!(status, 200, "{answer}");
        }
    }

    /// Sets the expiry of a step's record to `seconds` since the epoch, as if half a year had passed.
    pub async fn expire_step(&self, run: &str, node: &str, seconds: u64) {
        let body = json!({
            "TableName": self.table,
            "Key": {"pk": {"S": format!("RUN#{run}")}, "sk": {"S": format!("STEP#{node}")}},
            "UpdateExpression": "SET expiresAt = :at",
            "ConditionExpression": "attribute_exists(expiresAt)",
            "ExpressionAttributeValues": {":at": {"N": seconds.to_string()}},
        });
        let (status, answer) = self.call("dynamodb", "DynamoDB_20120810.UpdateItem", "1.0", &body).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Makes a delivery's next attempt due now, as if time had passed.
    pub async fn bring_forward(&self, org: &str, webhook: &str, delivery: &str) {
        let key = json!({"pk": {"S": format!("ORG#{org}#WEBHOOK#{webhook}")}, "sk": {"S": delivery}});
        let body = json!({"TableName": self.table, "Key": key, "ConsistentRead": true});
        let (_, answer) = self.call("dynamodb", "DynamoDB_20120810.GetItem", "1.0", &body).await;
        let owed = answer["Item"]["outboxSk"]["S"].as_str().unwrap_or_else(|| panic!("{delivery} has no pending attempt: {answer}"));
        let now = format!("{:.3}", jiff::Timestamp::now());
        let (_, rest) = owed.split_once('#').unwrap();
        let body = json!({
            "TableName": self.table,
            "Key": key,
            "UpdateExpression": "SET nextAttemptAt = :at, outboxSk = :owed",
            "ExpressionAttributeValues": {":at": {"S": now}, ":owed": {"S": format!("{now}#{rest}")}},
        });
        let (status, answer) = self.call("dynamodb", "DynamoDB_20120810.UpdateItem", "1.0", &body).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Invokes the worker that the schedule invokes every five minutes, and waits for it.
    pub async fn reconcile(&self) {
        self.tick("reconcile-runs").await;
    }

    /// Invokes a worker that a schedule invokes, waits for it, and returns its response.
    pub async fn tick(&self, worker: &str) -> Value {
        let (_, machine) = self.run_machine.rsplit_once(':').unwrap();
        let url = format!("{}/2015-03-31/functions/{}-{worker}/invocations", self.endpoint, machine.trim_end_matches("-run"));
        let scope = format!("20260101/{}/lambda/aws4_request", self.region);
        let authorization = format!("AWS4-HMAC-SHA256 Credential=local/{scope}, SignedHeaders=host, Signature=00");
        let response = self.client.post(url).header("authorization", authorization).body("{}").send().await.unwrap();
        let (status, failed) = (response.status(), response.headers().contains_key("x-amz-function-error"));
        let text = response.text().await.unwrap();
        assert!(status.is_success() && !failed, "{worker}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// The head of a flow of organisation A, in DynamoDB's own notation.
    pub async fn flow_item(&self, flow: &str) -> Value {
        self.item_at(&flow_key(flow), "FLOW").await
    }

    /// The item under the hash of a webhook trigger's token.
    pub async fn webhook_item(&self, token: &str) -> Value {
        self.item_at(&format!("HOOK#{}", super::sha256(token.as_bytes())), "HOOK").await
    }

    /// Makes a scheduled flow of organisation A due since `at`, as if no tick had run since then.
    pub async fn make_due(&self, flow: &str, at: &str) {
        let sk = self.flow_item(flow).await["outboxSk"]["S"].as_str().unwrap().to_owned();
        let (_, rest) = sk.split_once('#').unwrap();
        let body = json!({
            "TableName": self.table,
            "Key": {"pk": {"S": flow_key(flow)}, "sk": {"S": "FLOW"}},
            "UpdateExpression": "SET listRow.nextCronRunAt = :at, outboxSk = :sk",
            "ConditionExpression": "attribute_exists(listRow.nextCronRunAt)",
            "ExpressionAttributeValues": {":at": {"S": at}, ":sk": {"S": format!("{at}#{rest}")}},
        });
        let (status, answer) = self.call("dynamodb", "DynamoDB_20120810.UpdateItem", "1.0", &body).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// The status of a segment's execution, by the segment's number; none if there is no such execution.
    pub async fn segment(&self, run: &str, segment: u32) -> Option<String> {
        let body = json!({"executionArn": self.execution(run, segment)});
        let (status, answer) = self.call("states", "AWSStepFunctions.DescribeExecution", "1.0", &body).await;
        (status == 200).then(|| answer["status"].as_str().unwrap().to_owned())
    }

    /// Stops the execution of a segment, as an operator would in the console.
    pub async fn stop_segment(&self, run: &str, segment: u32) {
        let body = json!({"executionArn": self.execution(run, segment)});
        let (status, answer) = self.call("states", "AWSStepFunctions.StopExecution", "1.0", &body).await;
        assert_eq!(status, 200, "{answer}");
    }

    fn execution(&self, run: &str, segment: u32) -> String {
        // The first segment has no pause; the tests look at later ones only where the run was parked.
        let machine = if segment == 1 { &self.run_machine } else { &self.resume_machine };
        format!("{}:{run}-{segment}", machine.replace(":stateMachine:", ":execution:"))
    }
}

fn flow_key(flow: &str) -> String {
    format!("ORG#{}#FLOW#{flow}", variable("QE_ORG"))
}
