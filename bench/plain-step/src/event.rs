//! The event that a state of the workflow sends. Step Functions has filled in the values, by `Parameters`.

use std::collections::BTreeMap;

use domain::request::{LlmRequest, Request, ServiceRequest};
use lambda_runtime::Error;
use serde::Deserialize;
use serde_json::Value;

/// The work of one node.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    /// The run, which is the execution's name.
    pub(crate) run_id: String,
    /// The node.
    pub(crate) node_id: String,
    /// The organisation of the run.
    pub(crate) org_id: String,
    /// The trace id, which every call carries.
    pub(crate) trace_id: String,
    /// Whether the run ends with this node.
    #[serde(default)]
    pub(crate) is_last: bool,
    /// What the node does.
    pub(crate) work: Work,
}

/// What a node does.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub(crate) enum Work {
    /// Asks a model.
    Llm {
        /// The model.
        model: String,
        /// The question.
        user_prompt: String,
        /// JSON Schema of the answer.
        output_schema: Option<Value>,
    },
    /// Calls a registered service.
    Service {
        /// Its name.
        service: String,
        /// The method.
        method: String,
        /// The path.
        path: String,
        /// The body.
        body: Option<Value>,
    },
    /// Opens a gate: the execution waits for the task token.
    Gate {
        /// What the reviewer is asked to allow.
        action_label: String,
        /// The action.
        proposed_action: Value,
        /// Who may decide.
        assign_to: String,
        /// The token that resumes the execution.
        task_token: String,
    },
}

impl Work {
    /// The request to send; `None` for a gate.
    pub(crate) fn request(self) -> Result<Option<Request>, Error> {
        Ok(match self {
            Self::Llm { model, user_prompt, output_schema } => Some(Request::Llm(LlmRequest {
                model,
                system_prompt: None,
                user_prompt,
                conversation: Vec::new(),
                output_schema,
                tools: Vec::new(),
                temperature: None,
                max_tokens: None,
            })),
            Self::Service { service, method, path, body } => Some(Request::Service(ServiceRequest {
                service: service.parse()?,
                method,
                path,
                query: BTreeMap::new(),
                headers: BTreeMap::new(),
                body,
            })),
            Self::Gate { .. } => None,
        })
    }
}
