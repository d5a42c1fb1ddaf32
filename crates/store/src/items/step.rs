//! The record of a step.

use domain::flow::NodeId;
use domain::id::RunId;
use domain::json::canonical;
use domain::ports::PortError;
use domain::run::{Exit, NodeStatus};
use domain::step::{Answer, ObjectRef, StepRecord};
use domain::time::Time;
use serde::{Deserialize, Serialize};

use super::{from_text, join, split};
use crate::error::corrupt;
use crate::keys;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepItem {
    pk: String,
    sk: String,
    run: RunId,
    node: NodeId,
    #[serde(rename = "type")]
    kind: String,
    status: String,
    exit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_ref: Option<ObjectRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_ref: Option<ObjectRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_headers: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    attempts: u32,
    started_at: Time,
    completed_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    reused_from: Option<RunId>,
    /// TTL, in seconds since the epoch.
    expires_at: u64,
}

impl StepItem {
    pub(crate) fn of(step: &StepRecord, expires_at: Time) -> Self {
        let (input, input_ref) = split(step.input.as_ref());
        let (output, output_ref) = split(step.output.as_ref());
        Self {
            pk: keys::run(&step.run),
            sk: keys::step(&step.node),
            run: step.run,
            node: step.node.clone(),
            kind: step.kind.clone(),
            status: step.status.to_string(),
            exit: exit_name(step.exit),
            input,
            input_ref,
            output,
            output_ref,
            answer_status: step.answer.as_ref().map(|answer| answer.status),
            answer_headers: step.answer.as_ref().map(|answer| canonical(&answer.headers)),
            error: step.error.clone(),
            attempts: step.attempts,
            started_at: step.started_at,
            completed_at: step.completed_at,
            reused_from: step.reused_from,
            expires_at: expires_at.seconds(),
        }
    }

    pub(crate) fn into_record(self) -> Result<StepRecord, PortError> {
        let answer = match (self.answer_status, self.answer_headers) {
            (Some(status), Some(headers)) => Some(Answer { status, headers: from_text(&headers)? }),
            _ => None,
        };
        Ok(StepRecord {
            run: self.run,
            node: self.node,
            kind: self.kind,
            status: NodeStatus::from_name(&self.status).ok_or_else(|| corrupt(format!("step status `{}`", self.status)))?,
            exit: exit_from(&self.exit).ok_or_else(|| corrupt(format!("exit `{}`", self.exit)))?,
            input: join(self.input.as_deref(), self.input_ref)?,
            output: join(self.output.as_deref(), self.output_ref)?,
            answer,
            error: self.error,
            attempts: self.attempts,
            started_at: self.started_at,
            completed_at: self.completed_at,
            reused_from: self.reused_from,
        })
    }
}

fn exit_name(exit: Exit) -> String {
    match exit {
        Exit::Normal => "normal".to_owned(),
        Exit::Case(case) => format!("case:{case}"),
        Exit::Error => "error".to_owned(),
        Exit::Rejected => "rejected".to_owned(),
        Exit::Expired => "expired".to_owned(),
    }
}

fn exit_from(name: &str) -> Option<Exit> {
    Some(match name {
        "normal" => Exit::Normal,
        "error" => Exit::Error,
        "rejected" => Exit::Rejected,
        "expired" => Exit::Expired,
        case => Exit::Case(case.strip_prefix("case:")?.parse().ok()?),
    })
}
