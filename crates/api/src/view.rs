//! What callers see: flows, runs, steps and approvals as JSON.

mod run;

use domain::flow::{Flow, Version};
use domain::gate::Gate;
use domain::ports::RunSummary;
use domain::retention::{Gone, JobPhase, Purge, PurgeReason, Purged, RetentionJob};
use domain::run::Run;
use domain::step::{StepRecord, step_id};
use serde_json::{Value, json};

use crate::set;

pub use run::run_with_steps;

/// A flow's head: a row of a list.
pub fn flow(flow: &Flow) -> Value {
    json!({
        "id": flow.id,
        "slug": flow.slug,
        "name": flow.name,
        "description": flow.description,
        "status": flow.status,
        "triggerType": "api",
        "version": flow.version,
        "createdAt": flow.created_at,
        "updatedAt": flow.updated_at,
    })
}

/// A flow with its newest spec.
pub fn flow_with_spec(head: &Flow, version: &Version) -> Value {
    let mut view = flow(head);
    set(&mut view, "spec", version.spec.clone());
    view
}

/// A run in a list: no input, no steps, no outputs.
pub fn run_summary(run: &RunSummary) -> Value {
    without_nulls(json!({
        "id": run.id,
        "flowId": run.flow,
        "flowVersion": run.flow_version,
        "status": run.status,
        "trigger": run.trigger,
        "traceId": run.trace_id,
        "startedAt": run.started_at,
        "finishedAt": run.finished_at,
        "error": run.error.as_ref().map(|message| json!({"message": message})),
        "retryOf": run.retry_of,
    }))
}

/// What is left of a step's payloads.
pub(crate) fn purged(purged: &Purged) -> Value {
    let gone = |gone: &Option<Gone>| gone.as_ref().map(|gone| json!({"bytes": gone.bytes, "sha256": gone.sha256}));
    let (reason, by) = match &purged.reason {
        PurgeReason::Expired => ("expired", None),
        PurgeReason::Requested(by) => ("requested", Some(by)),
    };
    without_nulls(json!({"at": purged.at, "reason": reason, "by": by, "input": gone(&purged.input), "output": gone(&purged.output)}))
}

/// Whether outputs are kept for ever, and how far the job has come that applies the last switch.
pub fn retention(long: bool, job: Option<&RetentionJob>) -> Value {
    let job = job.map(|job| {
        let status = match job.phase {
            JobPhase::Pending => "pending",
            JobPhase::First | JobPhase::Second(_) => "running",
            JobPhase::Done(_) => "done",
        };
        without_nulls(json!({"status": status, "startedAt": job.started_at, "finishedAt": job.finished_at(), "runsDone": job.runs_done}))
    });
    without_nulls(json!({"longRetention": long, "job": job}))
}

/// The receipt of a purge: which steps had payloads, and how many bytes and objects these were.
pub fn purge(done: &Purge) -> Value {
    let gone = || done.receipts.iter().filter_map(|receipt| receipt.purged.as_deref()).flat_map(Purged::payloads);
    let step = |receipt: &StepRecord| json!({"id": step_id(&receipt.run, &receipt.node), "nodeId": receipt.node, "purged": receipt.purged.as_deref().map(purged)});
    json!({
        "runId": done.run,
        "purgedAt": done.at,
        "steps": done.receipts.iter().filter(|receipt| !receipt.node.is_internal()).map(step).collect::<Vec<_>>(),
        "objects": gone().filter(|gone| gone.stored).count(),
        "bytes": gone().map(|gone| gone.bytes).sum::<u64>(),
    })
}

/// A run without its steps: the answer to an action on it.
pub fn run(run: &Run) -> Value {
    without_nulls(json!({
        "id": run.id,
        "flowId": run.flow,
        "flowVersion": run.flow_version,
        "status": run.status,
        "trigger": run.trigger,
        "traceId": run.trace_id,
        "startedBy": run.started_by,
        "retryOf": run.retried.as_ref().map(|retried| retried.of),
        "startedAt": run.started_at,
        "finishedAt": run.finished_at,
        "error": run.error,
        "cancelledBy": run.cancellation.as_ref().map(|cancellation| &cancellation.actor),
        "cancelReason": run.cancellation.as_ref().and_then(|cancellation| cancellation.reason.as_ref()),
    }))
}

/// An open approval: a row of the inbox.
pub fn approval(gate: &Gate) -> Value {
    without_nulls(json!({
        "id": gate.id,
        "runId": gate.run,
        "nodeId": gate.node,
        "flowId": gate.flow,
        "actionLabel": gate.action_label,
        "proposedAction": gate.proposed_action,
        "data": gate.data,
        "assignTo": gate.assign_to,
        "openedAt": gate.opened_at,
        "expiresAt": gate.deadline,
        "votes": votes(gate),
    }))
}

fn votes(gate: &Gate) -> Vec<Value> {
    gate.votes
        .iter()
        .map(|vote| json!({"actor": vote.actor, "at": vote.at, "note": vote.note, "actionSha256": vote.action_sha256}))
        .collect()
}

/// The permanent record of a decision: who, when, what was proposed, what was decided, and the difference.
pub fn decision(gate: &Gate) -> Option<Value> {
    let outcome = gate.outcome.as_ref()?;
    Some(json!({
        "decision": outcome.verdict,
        "actor": outcome.actor,
        "decidedAt": outcome.decided_at,
        "note": outcome.note,
        "proposedAction": gate.proposed_action,
        "decidedAction": outcome.decided_action,
        "proposedSha256": outcome.proposed_sha256,
        "decidedSha256": outcome.decided_sha256,
        "patch": gate.patch_to(&outcome.decided_action),
    }))
}

/// A run and a decision about it: the answer to `approve` and `reject`. The decision is null while more approvals are needed.
pub fn decided(run_after: &Run, gate: &Gate) -> Value {
    json!({"run": run(run_after), "nodeId": gate.node, "approvalId": gate.id, "votes": votes(gate), "decision": decision(gate)})
}

/// Leaves out the fields of an object that say nothing.
fn without_nulls(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, field| !field.is_null());
    }
    value
}
