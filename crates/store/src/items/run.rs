//! The items of a run: the run itself, its input, and the record of the Idempotency-Key that started it.

use std::collections::{BTreeMap, BTreeSet};

use domain::access::Identity;
use domain::flow::{FlowLabel, NodeId, Slug};
use domain::id::{FlowId, OrgId, RunId};
use domain::ports::{Idempotency, PortError, RunOrigin, RunSummary};
use domain::run::{Cancellation, ExecutionState, PendingEffect, Retried, Run, RunError, RunStatus, Trigger};
use domain::step::{ObjectRef, Payload};
use domain::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{join, split};
use crate::error::corrupt;
use crate::keys;
use crate::progress::{self, Marks};

/// The value of `owes` when a task token must be sent; when an execution must be started, the value is the name of that execution. The
/// Park state compares it with the name of its own execution.
const RING: &str = "ring";
/// The value of `owes` when the gates of a run that has ended must be closed. No execution has this name.
const CLOSE_GATES: &str = "closeGates";
const DAY_MILLIS: u64 = 24 * 3600 * 1000;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunItem {
    pk: String,
    sk: String,
    org: OrgId,
    flow_id: FlowId,
    flow_slug: Slug,
    status: String,
    trigger: String,
    started_by: String,
    /// Only if the actor has more principals than its name.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    starter_principals: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    trigger_changers: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_root: Option<RunId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_from: Option<NodeId>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    earlier_starters: BTreeSet<String>,
    started_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    canceller_identity: Option<Identity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel_reason: Option<String>,
    progress: String,
    #[serde(default, skip_serializing_if = "Marks::is_empty")]
    marks: Marks,
    /// The rounds of the nodes that are in a later one than their first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    rounds: BTreeMap<NodeId, u32>,
    segment: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parked_until: Option<u64>,
    /// Stored as `owes`: the Park state reads it, and parked executions of earlier versions do too.
    #[serde(rename = "owes", skip_serializing_if = "Option::is_none")]
    pending: Option<String>,
    /// In milliseconds, as `parkedUntil`. Items that were written before runs were watched have neither of these two.
    #[serde(skip_serializing_if = "Option::is_none")]
    stuck_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done_at_claim: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outbox_pk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outbox_sk: Option<String>,
    /// The keys in the index `outbox` that the Park state gives the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    watch_pk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    watch_sk: Option<String>,
    /// JSON: the `llm_step`s in progress, by node. It is absent while there are none: the event source mapping of `publish-events` looks
    /// for this attribute.
    #[serde(skip_serializing_if = "Option::is_none")]
    generating: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_until: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
    /// The duration of the run in days. It is present only if the run has ended and its records have to be rescheduled. The event
    /// source mapping of `purge-outputs` looks for this attribute.
    #[serde(skip_serializing_if = "Option::is_none")]
    lasted_days: Option<u64>,
    list_pk: String,
    list_row: RunRow,
    rev: u64,
}

/// The row of a run in the index `lists`, which projects this one attribute. What the keys of the row say is not repeated.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunRow {
    flow_version: u32,
    trace_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_of: Option<RunId>,
}

impl RunRow {
    fn of(run: &Run) -> Self {
        Self {
            flow_version: run.flow_version,
            trace_id: run.trace_id.clone(),
            finished_at: run.finished_at,
            error: run.error.as_ref().map(|error| error.message.clone()),
            retry_of: run.retried.as_ref().map(|retried| retried.of),
        }
    }
}

impl RunItem {
    pub(crate) fn of(run: &Run) -> Self {
        let (progress, marks) = progress::encode(&run.progress);
        let pending = run.execution.pending.map(|effect| match effect {
            PendingEffect::StartExecution => run.execution_name(),
            PendingEffect::SendTaskSuccess => RING.to_owned(),
            PendingEffect::CloseGates => CLOSE_GATES.to_owned(),
        });
        let watched = |stuck_at: Option<Time>| stuck_at.map(|at| (keys::watch(&run.id), keys::stuck_at(at, &run.id)));
        let outbox = if pending.is_some() { Some((keys::outbox(&run.id), run.id.to_string())) } else { watched(run.stuck_at()) };
        let (outbox_pk, outbox_sk) = outbox.unzip();
        // Only Park reads these: it moves the run from the pending effects to the runs that are watched.
        let is_to_park = run.execution.pending == Some(PendingEffect::StartExecution);
        let (watch_pk, watch_sk) = watched(run.stuck_at_if_parked().filter(|_| is_to_park)).unzip();
        Self {
            pk: keys::run(&run.id),
            sk: keys::RUN.to_owned(),
            org: run.org,
            flow_id: run.flow,
            flow_slug: run.flow_slug.clone(),
            status: run.status.to_string(),
            trigger: run.trigger.to_string(),
            started_by: run.started_by.clone(),
            starter_principals: run.starter_principals.clone(),
            trigger_changers: run.trigger_changers.clone(),
            retry_root: run.retried.as_ref().map(|retried| retried.root),
            retry_from: run.retried.as_ref().and_then(|retried| retried.from.clone()),
            earlier_starters: run.retried.as_ref().map(|retried| retried.starters.clone()).unwrap_or_default(),
            started_at: run.started_at,
            error_node: run.error.as_ref().and_then(|error| error.node.clone()),
            warning: run.warning.clone(),
            cancelled_by: run.cancellation.as_ref().map(|cancellation| cancellation.actor.clone()),
            canceller_identity: run.cancellation.as_ref().and_then(|cancellation| cancellation.identity.clone()),
            cancel_reason: run.cancellation.as_ref().and_then(|cancellation| cancellation.reason.clone()),
            progress,
            marks,
            rounds: run.rounds.clone(),
            segment: run.execution.segment,
            owner: run.execution.owner.clone(),
            token: run.execution.token.clone(),
            parked_until: run.execution.parked_until.map(Time::millis),
            stuck_at: run.execution.stuck_at.map(Time::millis),
            done_at_claim: run.execution.done_at_claim,
            outbox_pk,
            outbox_sk,
            watch_pk,
            watch_sk,
            pending,
            generating: Some(&run.generating).filter(|nodes| !nodes.is_empty()).map(|nodes| json!(nodes).to_string()),
            kept_until: run.kept_until,
            lasted_days: run.finished_at.filter(|_| run.must_reschedule_records()).map(|end| end.millis_since(run.started_at) / DAY_MILLIS),
            list_pk: keys::run_list(&run.flow, run.status, run.trigger),
            list_row: RunRow::of(run),
            rev: run.rev,
        }
    }

    /// Returns whether the run has ended. A status that this version does not know is none that ends a run.
    pub(crate) fn has_ended(&self) -> bool {
        RunStatus::from_name(&self.status).is_some_and(RunStatus::is_final)
    }

    pub(crate) fn into_run(self) -> Result<Run, PortError> {
        let pending = self.pending.map(|pending| match pending.as_str() {
            RING => PendingEffect::SendTaskSuccess,
            CLOSE_GATES => PendingEffect::CloseGates,
            _ => PendingEffect::StartExecution,
        });
        let id = keys::parse_run(&self.pk).ok_or_else(|| corrupt(format!("run key `{}`", self.pk)))?;
        let row = self.list_row;
        Ok(Run {
            id,
            org: self.org,
            flow: self.flow_id,
            flow_slug: self.flow_slug,
            flow_label: None,
            flow_version: row.flow_version,
            trigger: trigger(&self.trigger)?,
            started_by: self.started_by,
            starter_principals: self.starter_principals,
            starter_identity: None,
            trigger_changers: self.trigger_changers,
            retried: row.retry_of.map(|of| Retried {
                of,
                root: self.retry_root.unwrap_or(of),
                from: self.retry_from,
                starters: self.earlier_starters,
            }),
            trace_id: row.trace_id,
            started_at: self.started_at,
            status: status(&self.status)?,
            finished_at: row.finished_at,
            error: row.error.map(|message| RunError { node: self.error_node, message }),
            warning: self.warning,
            cancellation: self.cancelled_by.map(|actor| Cancellation {
                actor,
                identity: self.canceller_identity,
                reason: self.cancel_reason,
            }),
            progress: progress::decode(&self.progress, &self.marks).ok_or_else(|| corrupt(format!("progress `{}`", self.progress)))?,
            rounds: self.rounds,
            execution: ExecutionState {
                segment: self.segment,
                owner: self.owner,
                token: self.token,
                pending,
                parked_until: self.parked_until.map(Time::from_millis),
                stuck_at: self.stuck_at.map(Time::from_millis),
                done_at_claim: self.done_at_claim,
            },
            generating: self.generating.map(|nodes| serde_json::from_str(&nodes).map_err(corrupt)).transpose()?.unwrap_or_default(),
            kept_until: self.kept_until,
            rev: self.rev,
        })
    }
}

fn status(name: &str) -> Result<RunStatus, PortError> {
    RunStatus::from_name(name).ok_or_else(|| corrupt(format!("run status `{name}`")))
}

fn trigger(name: &str) -> Result<Trigger, PortError> {
    Trigger::from_name(name).ok_or_else(|| corrupt(format!("trigger `{name}`")))
}

/// A run as the index `lists` has it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SummaryItem {
    pk: String,
    list_pk: String,
    list_row: RunRow,
}

impl SummaryItem {
    pub(crate) fn into_summary(self) -> Result<RunSummary, PortError> {
        let id = keys::parse_run(&self.pk).ok_or_else(|| corrupt(format!("run key `{}`", self.pk)))?;
        let list = keys::parse_run_list(&self.list_pk);
        let (flow, status, trigger) = list.ok_or_else(|| corrupt(format!("list key `{}`", self.list_pk)))?;
        let row = self.list_row;
        Ok(RunSummary {
            id,
            flow,
            flow_version: row.flow_version,
            status,
            trigger,
            trace_id: row.trace_id,
            // A run starts at the time that is in its id.
            started_at: id.created_at(),
            finished_at: row.finished_at,
            error: row.error,
            retry_of: row.retry_of,
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InputItem {
    pk: String,
    sk: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_ref: Option<ObjectRef>,
    /// Items that were written before names were kept have neither of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    flow_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    flow_description: Option<String>,
    /// How it was known who started the run. Items of earlier versions do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    starter_identity: Option<Identity>,
}

impl InputItem {
    pub(crate) fn of(run: &Run, input: &Payload) -> Self {
        let (input, input_ref) = split(Some(input));
        let label = run.flow_label.clone();
        let (flow_name, flow_description) = label.map(|label| (label.name, label.description)).unzip();
        Self {
            pk: keys::run(&run.id),
            sk: keys::INPUT.to_owned(),
            input,
            input_ref,
            flow_name,
            flow_description,
            starter_identity: run.starter_identity.clone(),
        }
    }

    pub(crate) fn into_origin(self) -> Result<RunOrigin, PortError> {
        let input = join(self.input, self.input_ref)?.ok_or_else(|| corrupt("an input without a value"))?;
        let flow_label = self.flow_name.map(|name| FlowLabel { name, description: self.flow_description.unwrap_or_default() });
        Ok(RunOrigin { input, flow_label, starter_identity: self.starter_identity })
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IdempotencyItem {
    pk: String,
    sk: String,
    org: OrgId,
    scope: String,
    key: String,
    body_sha256: String,
    run: RunId,
    expires_at: u64,
}

impl IdempotencyItem {
    pub(crate) fn of(key: &Idempotency) -> Self {
        Self {
            pk: keys::idempotency(&key.org, &key.scope, &key.key),
            sk: keys::IDEMPOTENCY.to_owned(),
            org: key.org,
            scope: key.scope.clone(),
            key: key.key.clone(),
            body_sha256: key.body_sha256.clone(),
            run: key.run,
            expires_at: key.forget_at.seconds(),
        }
    }

    pub(crate) fn into_key(self) -> Idempotency {
        Idempotency {
            org: self.org,
            scope: self.scope,
            key: self.key,
            body_sha256: self.body_sha256,
            run: self.run,
            forget_at: Time::from_millis(self.expires_at.saturating_mul(1000)),
        }
    }
}
