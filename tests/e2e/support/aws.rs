//! A look behind the API, in the protocol of AWS's own SDKs. The local stack checks no signature, so there is no SDK here.

use reqwest::Client;
use serde_json::{Value, json};

use super::stack::variable;

/// The AWS APIs of the stack.
#[derive(Debug, Clone)]
pub struct Aws {
    client: Client,
    /// Where they answer, which is also what the functions are told.
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

    /// The item of a run, in DynamoDB's own notation.
    pub async fn run_item(&self, run: &str) -> Value {
        let key = json!({"pk": {"S": format!("RUN#{run}")}, "sk": {"S": "RUN"}});
        let body = json!({"TableName": self.table, "Key": key, "ConsistentRead": true});
        let (status, answer) = self.call("dynamodb", "DynamoDB_20120810.GetItem", "1.0", &body).await;
        assert_eq!(status, 200, "{answer}");
        answer["Item"].clone()
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
        // The first segment goes on at once; the tests look at later ones only where the run was parked.
        let machine = if segment == 1 { &self.run_machine } else { &self.resume_machine };
        format!("{}:{run}-{segment}", machine.replace(":stateMachine:", ":execution:"))
    }
}
