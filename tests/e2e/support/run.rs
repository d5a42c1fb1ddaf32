//! A run, as the API shows it.

use serde_json::{Value, json};

use super::{Api, ApiResponse, eventually};

const FINAL: [&str; 3] = ["succeeded", "failed", "cancelled"];

/// A run that was started.
#[derive(Debug, Clone)]
pub struct Run {
    api: Api,
    /// `run_…`
    pub id: String,
}

/// What GET shows of a run.
#[derive(Debug)]
pub struct RunView {
    /// The flow as it was.
    pub flow: Value,
    /// The run with its steps.
    pub run: Value,
}

impl Run {
    /// The run in an answer to `execute`.
    pub fn of(api: &Api, run: &Value) -> Self {
        let id = run["id"].as_str().unwrap_or_else(|| panic!("no run: {run}"));
        assert!(id.starts_with("run_"), "{id}");
        Self { api: api.clone(), id: id.to_owned() }
    }

    /// The path of an action on it, or of itself.
    pub fn path(&self, action: &str) -> String {
        if action.is_empty() { format!("/api/runs/{}", self.id) } else { format!("/api/runs/{}/{action}", self.id) }
    }

    /// The same run, called with another key.
    pub fn by(&self, api: &Api) -> Self {
        Self { api: api.clone(), id: self.id.clone() }
    }

    /// The run, as GET shows it.
    pub async fn view(&self) -> RunView {
        let answer = self.api.get(&self.path("")).await;
        let data = answer.data(200);
        RunView { flow: data["flow"].clone(), run: data["run"].clone() }
    }

    /// Waits until it has this status. Any other final status ends the waiting.
    pub async fn wait(&self, status: &str) -> RunView {
        let view = eventually(&format!("{} to become {status}", self.id), async || {
            let view = self.view().await;
            (view.status() == status || FINAL.contains(&view.status())).then_some(view)
        })
        .await;
        assert_eq!(view.status(), status, "{:#}", view.run);
        view
    }

    /// Waits until a step has this status, whatever the run's is.
    pub async fn wait_for_step(&self, node: &str, status: &str) -> RunView {
        eventually(&format!("step {node} of {} to become {status}", self.id), async || {
            let view = self.view().await;
            (view.step(node)["status"] == status).then_some(view)
        })
        .await
    }

    /// Waits until a gate is open.
    pub async fn parked(&self) -> RunView {
        self.wait("awaiting_approval").await
    }

    /// Approves, with this body.
    pub async fn approve(&self, body: &Value) -> ApiResponse {
        self.api.post(&self.path("approve"), body).await
    }

    /// Rejects, with this body.
    pub async fn reject(&self, body: &Value) -> ApiResponse {
        self.api.post(&self.path("reject"), body).await
    }

    /// Requests changes, with this body.
    pub async fn request_changes(&self, body: &Value) -> ApiResponse {
        self.api.post(&self.path("request-changes"), body).await
    }

    /// Retries it with this body, and returns the new run.
    pub async fn retry(&self, body: &Value) -> Self {
        Self::of(&self.api, &self.api.post(&self.path("retry"), body).await.data(202)["run"])
    }

    /// Cancels.
    pub async fn cancel(&self, reason: &str) -> ApiResponse {
        self.api.post(&self.path("cancel"), &json!({"reason": reason})).await
    }
}

impl RunView {
    /// The run's status.
    pub fn status(&self) -> &str {
        self.run["status"].as_str().unwrap()
    }

    /// The run's trace id.
    pub fn trace_id(&self) -> &str {
        self.run["traceId"].as_str().unwrap()
    }

    /// The run's error.
    #[track_caller]
    pub fn error(&self) -> &str {
        self.run["error"]["message"].as_str().unwrap_or_else(|| panic!("no error: {:#}", self.run))
    }

    /// Its steps.
    pub fn steps(&self) -> &[Value] {
        self.run["steps"].as_array().unwrap()
    }

    /// The step of a node.
    #[track_caller]
    pub fn step(&self, node: &str) -> &Value {
        let step = self.steps().iter().find(|step| step["nodeId"] == node);
        step.unwrap_or_else(|| panic!("no step {node}: {:#}", self.run))
    }

    /// The Idempotency-Key of a node's requests.
    #[track_caller]
    pub fn key(&self, node: &str) -> &str {
        self.step(node)["idempotencyKey"].as_str().unwrap_or_else(|| panic!("{node} sent nothing: {:#}", self.run))
    }

    /// The output of a node.
    #[track_caller]
    pub fn output(&self, node: &str) -> &Value {
        self.step(node).get("output").unwrap_or_else(|| panic!("{node} has no output: {:#}", self.run))
    }

    /// Each node with its status, by name.
    pub fn statuses(&self) -> Vec<(&str, &str)> {
        let mut all: Vec<_> =
            self.steps().iter().map(|step| (step["nodeId"].as_str().unwrap(), step["status"].as_str().unwrap())).collect();
        all.sort_unstable();
        all
    }

    /// The nodes in the order of their steps.
    pub fn order(&self) -> Vec<&str> {
        self.steps().iter().map(|step| step["nodeId"].as_str().unwrap()).collect()
    }
}
