//! The record of a step.

use domain::access::Identity;
use domain::flow::NodeId;
use domain::id::RunId;
use domain::json::canonical;
use domain::ports::PortError;
use domain::retention::{Gone, PurgeReason, Purged};
use domain::run::{Exit, NodeStatus};
use domain::step::{ObjectRef, ResponseHead, StepRecord};
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
    /// It is absent in the first round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    round: Option<u32>,
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
    /// Only on a receipt, which does not expire: what is known of the payloads that were deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    purged: Option<PurgedItem>,
    /// The time to live, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PurgedItem {
    at: Time,
    /// The actor who requested the purge. It is absent if the record expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<Box<Identity>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<PayloadReceipt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<PayloadReceipt>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PayloadReceipt {
    bytes: u64,
    sha256: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    stored: bool,
}

impl PayloadReceipt {
    fn of(gone: &Gone) -> Self {
        Self { bytes: gone.bytes, sha256: gone.sha256.clone(), stored: gone.stored }
    }

    fn into_gone(self) -> Gone {
        Gone { bytes: self.bytes, sha256: self.sha256, stored: self.stored }
    }
}

impl PurgedItem {
    fn of(purged: &Purged) -> Self {
        let (by, identity) = match &purged.reason {
            PurgeReason::Expired => (None, None),
            PurgeReason::Requested { by, identity } => (Some(by.clone()), identity.clone()),
        };
        Self {
            at: purged.at,
            by,
            identity,
            input: purged.input.as_ref().map(PayloadReceipt::of),
            output: purged.output.as_ref().map(PayloadReceipt::of),
        }
    }

    fn into_purged(self) -> Purged {
        let identity = self.identity;
        Purged {
            at: self.at,
            reason: self.by.map_or(PurgeReason::Expired, |by| PurgeReason::Requested { by, identity }),
            input: self.input.map(PayloadReceipt::into_gone),
            output: self.output.map(PayloadReceipt::into_gone),
        }
    }
}

impl StepItem {
    pub(crate) fn of(step: &StepRecord, expires_at: Option<Time>) -> Self {
        let (input, input_ref) = split(step.input.as_ref());
        let (output, output_ref) = split(step.output.as_ref());
        Self {
            pk: keys::run(&step.run),
            sk: keys::step(&step.key()),
            run: step.run,
            node: step.node.clone(),
            round: Some(step.round).filter(|round| *round > 1),
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
            purged: step.purged.as_deref().map(PurgedItem::of),
            expires_at: expires_at.map(Time::seconds),
        }
    }

    /// Returns the record as it is at `now`: its receipt, if it has expired.
    pub(crate) fn into_record_at(self, now: Time) -> Result<StepRecord, PortError> {
        let expires_at = self.expires_at.filter(|at| *at <= now.seconds());
        let record = self.into_record()?;
        Ok(match expires_at {
            Some(at) => record.without_payloads(Time::from_millis(at.saturating_mul(1000)), PurgeReason::Expired),
            None => record,
        })
    }

    /// Returns the receipt of a record that TTL has deleted.
    pub(crate) fn into_receipt(self) -> Result<StepRecord, PortError> {
        self.into_record_at(Time::from_millis(u64::MAX))
    }

    pub(crate) fn into_record(self) -> Result<StepRecord, PortError> {
        let answer = match (self.answer_status, self.answer_headers) {
            (Some(status), Some(headers)) => Some(ResponseHead { status, headers: from_text(&headers)? }),
            _ => None,
        };
        Ok(StepRecord {
            run: self.run,
            node: self.node,
            round: self.round.unwrap_or(1),
            kind: self.kind,
            status: NodeStatus::from_name(&self.status).ok_or_else(|| corrupt(format!("step status `{}`", self.status)))?,
            exit: exit_from(&self.exit).ok_or_else(|| corrupt(format!("exit `{}`", self.exit)))?,
            input: join(self.input, self.input_ref)?,
            output: join(self.output, self.output_ref)?,
            answer,
            error: self.error,
            attempts: self.attempts,
            started_at: self.started_at,
            completed_at: self.completed_at,
            reused_from: self.reused_from,
            purged: self.purged.map(PurgedItem::into_purged).map(Box::new),
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
