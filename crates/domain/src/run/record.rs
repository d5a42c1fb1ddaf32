//! The record of a run.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::execution::{ExecutionState, PendingEffect, STUCK_AFTER_SECONDS};
use super::retried::Retried;
use super::state::Progress;
use crate::access::{Identity, RecordedActor};
use crate::error::ApplicationError;
use crate::flow::{FlowLabel, Spec};
use crate::id::{FlowId, OrgId, RunId};
use crate::name::{NodeId, Slug};
use crate::status::{NodeStatus, RunStatus, Trigger};
use crate::time::Time;

/// The most characters that an error text in a run may have: the run item is written often and stays small.
const MAX_ERROR_CHARS: usize = 300;

/// One execution of a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The id.
    pub id: RunId,
    /// The organisation of the run.
    pub org: OrgId,
    /// The flow that the run executes.
    pub flow: FlowId,
    /// The slug of the flow.
    pub flow_slug: Slug,
    /// The name and the description of the flow. Only a run that is being created has them: they are stored with its input, because the
    /// item of the run is written often and must stay small.
    pub flow_label: Option<FlowLabel>,
    /// The version of the flow that the run executes, to its end.
    pub flow_version: u32,
    /// What started the run.
    pub trigger: Trigger,
    /// The actor who started the run.
    pub started_by: String,
    /// The principals of the actor who started the run; empty if its name is the only one.
    pub starter_principals: BTreeSet<String>,
    /// How it was known who started the run. Only a run that is being created has it, for the reason that `flow_label` has.
    pub starter_identity: Option<Identity>,
    /// The principals of whoever had last changed the trigger that started the run, or its secret.
    pub trigger_changers: BTreeSet<String>,
    /// The run that this run repeats, if it is a retry.
    pub retried: Option<Retried>,
    /// The trace id that every outbound call of the run carries: 32 hex digits, as in the W3C trace context.
    pub trace_id: String,
    /// When the run was created.
    pub started_at: Time,
    /// The status. It follows from the other fields.
    pub status: RunStatus,
    /// When the run ended.
    pub finished_at: Option<Time>,
    /// Why the run fails. While the run is still active, it winds down and starts nothing more.
    pub error: Option<RunError>,
    /// What went wrong in a run that succeeded all the same: its output could not be made after everything was done.
    pub warning: Option<String>,
    /// Who cancelled the run, and why.
    pub cancellation: Option<Cancellation>,
    /// The states of the nodes.
    pub progress: Progress,
    /// The nodes that are done again because a reviewer has requested changes, and the round that each of them is in: 2 and more. All
    /// others are in their first round.
    pub rounds: BTreeMap<NodeId, u32>,
    /// What drives the run.
    pub execution: ExecutionState,
    /// The `llm_step`s that are under way, and when the first attempt of each began. It follows from the other fields. The types of
    /// the nodes are known only while a run is driven, and a reader of the changes needs to know when a generation begins.
    pub generating: BTreeMap<NodeId, Time>,
    /// The time until which the records of the steps are kept at least, because the run waits longer than they would have been.
    pub kept_until: Option<Time>,
    /// The revision. It counts the writes, and the next write is conditional on it.
    pub rev: u64,
}

/// Why a run fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunError {
    /// The name of the node that failed, if a node did.
    #[serde(rename = "nodeId", skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What happened.
    pub message: String,
}

impl RunError {
    /// Makes an error; a long message is cut.
    pub(super) fn new(node: Option<String>, message: &str) -> Self {
        Self { node, message: bounded(message) }
    }
}

/// Cuts a message to the length that a run stores.
pub(super) fn bounded(message: &str) -> String {
    message.chars().take(MAX_ERROR_CHARS).collect()
}

/// The cancellation of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancellation {
    /// The actor who cancelled the run.
    pub actor: String,
    /// How it was known who cancelled the run.
    pub identity: Option<Identity>,
    /// The reason that the actor gave.
    pub reason: Option<String>,
}

/// The reason why a transition of a run is refused.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum TransitionError {
    /// The run has ended.
    #[error("the run is already {0}")]
    Ended(RunStatus),
    /// An error is ending the run.
    #[error("the run is failing: {0}")]
    Failing(String),
    /// Another invocation or a later segment drives the run.
    #[error("another invocation drives the run")]
    Superseded,
    /// The node is in a state that does not allow the transition.
    #[error("the node is {0}")]
    NodeIs(NodeStatus),
    /// The flow has no `revise` for this approval.
    #[error("the flow does not say what is revised when changes are requested here; only approve or reject")]
    NothingRevises,
    /// The approval is in the last round that the flow allows.
    #[error("this approval is in round {round}, and the flow allows {max}; only approve or reject")]
    RoundsExhausted {
        /// The round of the approval.
        round: u32,
        /// The most rounds that the flow allows.
        max: u32,
    },
    /// The node that is to be revised has not succeeded in this run.
    #[error("`{0}` made no draft in this run, so there is nothing to revise; only approve or reject")]
    NoDraft(NodeId),
    /// A node that follows the draft and does not lead to the approval has begun.
    #[error("`{0}` has used the draft, and changes to it would come too late; only approve or reject")]
    DraftIsUsed(NodeId),
    /// The run cannot be retried.
    #[error("the run is {0}; only a run that failed or was cancelled can be retried")]
    NotToRetry(RunStatus),
}

impl From<TransitionError> for ApplicationError {
    fn from(error: TransitionError) -> Self {
        Self::Conflict(error.to_string())
    }
}

/// What is needed to create a run.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The id.
    pub id: RunId,
    /// The organisation.
    pub org: OrgId,
    /// The flow.
    pub flow: FlowId,
    /// The slug of the flow.
    pub flow_slug: Slug,
    /// The name and the description of the flow.
    pub flow_label: Option<FlowLabel>,
    /// The version to execute.
    pub flow_version: u32,
    /// What starts the run.
    pub trigger: Trigger,
    /// The actor who starts the run.
    pub started_by: RecordedActor,
    /// The principals of whoever has last changed the trigger that starts the run, or its secret.
    pub trigger_changers: BTreeSet<String>,
    /// The run that the new run repeats, if it is a retry.
    pub retried: Option<Retried>,
    /// The trace id: 32 hex digits.
    pub trace_id: String,
}

impl Run {
    /// Returns a run that has not begun. The start of its first segment is pending.
    pub fn new(new: NewRun, spec: &Spec, now: Time) -> Self {
        Self {
            id: new.id,
            org: new.org,
            flow: new.flow,
            flow_slug: new.flow_slug,
            flow_label: new.flow_label,
            flow_version: new.flow_version,
            trigger: new.trigger,
            started_by: new.started_by.id,
            starter_principals: new.started_by.principals,
            starter_identity: new.started_by.identity,
            trigger_changers: new.trigger_changers,
            retried: new.retried,
            trace_id: new.trace_id,
            started_at: now,
            status: RunStatus::Running,
            finished_at: None,
            error: None,
            warning: None,
            cancellation: None,
            progress: Progress::new(spec.len()),
            rounds: BTreeMap::new(),
            execution: ExecutionState {
                segment: 1,
                owner: None,
                token: None,
                pending: Some(PendingEffect::StartExecution),
                parked_until: None,
                stuck_at: Some(now.plus_seconds(STUCK_AFTER_SECONDS)),
                done_at_claim: None,
            },
            generating: BTreeMap::new(),
            kept_until: None,
            rev: 0,
        }
    }

    /// Returns whether the run has ended.
    pub fn has_ended(&self) -> bool {
        self.status.is_final()
    }

    pub(super) fn must_be_active(&self) -> Result<(), TransitionError> {
        if self.has_ended() { Err(TransitionError::Ended(self.status)) } else { Ok(()) }
    }
}
